import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** The sentences of the bus's specification. */
const SENTENCES = 88;
/** Sentences that need root: for a network namespace, and for privileges to drop. */
const ROOT_ONLY = [64, 86];

test("every numbered sentence of the specification has a test with its number", (t) => {
  const directory = fileURLToPath(new URL(".", import.meta.url));
  const numbers = globSync(`${directory}*.test.ts`)
    .flatMap((path) => [...readFileSync(path, "utf8").matchAll(/^test\(\s*"(\d+)\. /gm)])
    .map(([, number]) => Number(number))
    .sort((a, b) => a - b);
  const all = Array.from({ length: SENTENCES }, (_, index) => index + 1);
  assert.deepEqual(numbers, all);
  const skipped = process.getuid?.() === 0 ? [] : ROOT_ONLY;
  t.diagnostic(`${SENTENCES - skipped.length} of ${SENTENCES} sentences are tested`);
  if (skipped.length > 0) t.diagnostic(`skipped without root: ${skipped.join(", ")}`);
});
