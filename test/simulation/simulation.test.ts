import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../helpers/resources.ts";
import { simulateMany } from "./run.ts";
import { brokenMachine, VARIANTS } from "./variants.ts";

const SEEDS = 5_000;
const SEEDS_TO_FIND = 10_000;

test(`no invariant of a service is broken in ${SEEDS} simulated runs`, () => {
  const { found, checks, seeds } = simulateMany(1, SEEDS);
  assert.equal(found, undefined, JSON.stringify(found));
  assert.equal(seeds, SEEDS);
  // Each invariant was put to the test.
  assert.equal(checks.size, 9);
  for (const [invariant, times] of checks) assert.ok(times >= SEEDS / 2, `${invariant}: ${times}`);
});

for (const variant of VARIANTS) {
  test(`the simulation finds that ${variant.name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    const make = await brokenMachine(variant, directory);
    const { found } = simulateMany(1, SEEDS_TO_FIND, make);
    assert.ok(found !== undefined, `not found in ${SEEDS_TO_FIND} runs`);
    t.diagnostic(`seed ${found.seed}: ${found.violation.invariant}: ${found.violation.what}`);
  });
}
