import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../../helpers/resources.ts";
import { simulateMany } from "./run.ts";
import { brokenBook, VARIANTS } from "./variants.ts";
import { INVARIANTS } from "./model.ts";

const SEEDS = 1_500;
const SEEDS_TO_FIND = 4_000;

test(`no invariant of leases is broken in ${SEEDS} simulated runs`, () => {
  const { found, checks, seeds } = simulateMany(1, SEEDS);
  assert.equal(found, undefined, JSON.stringify(found));
  assert.equal(seeds, SEEDS);
  for (const invariant of INVARIANTS)
    assert.ok((checks.get(invariant) ?? 0) >= SEEDS, `${invariant} was put to the test`);
});

for (const variant of VARIANTS) {
  test(`the simulation finds that ${variant.name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    const { found } = simulateMany(1, SEEDS_TO_FIND, await brokenBook(variant, directory));
    assert.ok(found !== undefined, `not found in ${SEEDS_TO_FIND} runs`);
    t.diagnostic(`seed ${found.seed}: ${found.violation.invariant}: ${found.violation.what}`);
  });
}
