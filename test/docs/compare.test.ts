// The page of features names tests: each file and title has to exist.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const PAGE = readFileSync("docs/reference/compare.md", "utf8");
const ROWS = PAGE.split("\n").filter(
  (line) => line.startsWith("| ") && !line.startsWith("| feature"),
);

test("each row has a test or the reason why the feature is not included", () => {
  assert.ok(ROWS.length > 70, `only ${ROWS.length} rows`);
  for (const row of ROWS) {
    const [state = "", ...proof] = row.slice(2).split(" | ").slice(1);
    const isExcluded = state.startsWith("not included: ");
    assert.ok(isExcluded ? proof[0] === "|" : proof[0]?.startsWith("`test/") === true, row);
  }
});

test("each named test file and title exists", () => {
  for (const [, file = "", title] of PAGE.matchAll(/`(test\/[^`]+)`(?:: “([^”]+)”)?/g)) {
    assert.ok(existsSync(file), file);
    if (title !== undefined)
      assert.ok(readFileSync(file, "utf8").includes(title), `${file}: ${title}`);
  }
});
