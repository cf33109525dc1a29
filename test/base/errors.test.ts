import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { ERROR_CODES } from "../../src/base/error-codes.ts";
import { hasCode, isNewelError, newelError, revive } from "../../src/base/errors.ts";

const REPO = fileURLToPath(new URL("../..", import.meta.url));

test("an error has the code, the message and the fix of its row", () => {
  const error = newelError("NEWEL_E_SOCKET_MISSING", { name: "web" });
  assert.equal(error.message, "Socket web not found");
  assert.equal(error.fix, "Make the socket before the process that uses it.");
  assert.ok(hasCode(error, "NEWEL_E_SOCKET_MISSING"));
  assert.ok(!isNewelError(new Error("other")));
});

test("an error survives its transfer over a socket, and an unknown code is reported as the peer's", () => {
  const cause = newelError("NEWEL_E_DURATION", { what: "grace", value: '"x"' });
  const back = revive(JSON.parse(JSON.stringify(cause)));
  assert.deepEqual(
    [back.code, back.message, back.fix, back.data],
    [cause.code, cause.message, cause.fix, cause.data],
  );
  assert.equal(revive({ code: "NEWEL_E_FUTURE", message: "new" }).code, "NEWEL_E_REMOTE");
  assert.equal(revive({ code: "toString" }).code, "NEWEL_E_REMOTE");
});

test("docs/errors.md has every code of the table and no other, with its text and fix", () => {
  const page = readFileSync(`${REPO}/docs/errors.md`, "utf8");
  const documented = [...page.matchAll(/^### (NEWEL_E_\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual(new Set(documented), new Set(Object.keys(ERROR_CODES)));
  assert.equal(documented.length, Object.keys(ERROR_CODES).length);
  for (const [code, { text, fix }] of Object.entries(ERROR_CODES)) {
    assert.ok(
      page.includes(`### ${code}\n\n${text}\n\n*What to do:* ${fix}\n`),
      `${code}: run \`node scripts/errors-page.mjs\``,
    );
  }
});

test("every code of the table is used in the sources", () => {
  const sources = globSync(`${REPO}/src/**/*.ts`)
    .filter((file) => !file.endsWith("error-codes.ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  const unused = Object.keys(ERROR_CODES).filter(
    (code) => !new RegExp(`\\b${code}\\b`).test(sources),
  );
  assert.deepEqual(unused, []);
});
