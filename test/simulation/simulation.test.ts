import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../helpers/resources.ts";
import { realMachine, simulateMany } from "./run.ts";
import { brokenMachine, VARIANTS } from "./variants.ts";
import type { RunOptions } from "./world.ts";

const SEEDS = 5_000;
const SEEDS_TO_FIND = 10_000;

test(`no invariant of a service is broken in ${SEEDS} simulated runs`, () => {
  const { found, checks, seeds } = simulateMany(1, SEEDS);
  assert.equal(found, undefined, JSON.stringify(found));
  assert.equal(seeds, SEEDS);
  // Each invariant was put to the test.
  assert.equal(checks.size, 14);
  for (const [invariant, times] of checks) assert.ok(times >= SEEDS / 20, `${invariant}: ${times}`);
});

/** Seeds that have found a fault, with its description; those of a run with `--checked` have its option. */
const FOUND: readonly (readonly [number, string, RunOptions?])[] = [
  [1_058_452, "a held replica of a reload whose supervisor died counts as one that serves"],
  [1_727_270, "a held replica that an up waits for ends, and the up stops all others"],
  [1_136_948, "a replica that an up keeps is lost, and the up stops another for it"],
  [1_916_065, "a replica that drains when its supervisor dies counts as one that serves"],
  [2_053_059, "a replica that the kernel lists as ended during an up counts as completed"],
  [20_001_271, "an adopted replica uses too much memory before it is ready, and is never replaced"],
  [31_005_446, "a replacement takes the number of a completed replica that has left processes"],
  [
    40_026_545,
    "a replica ends while one too many is stopped, and three run where two may not run at once",
    { isChecked: true },
  ],
];
for (const [seed, fault, options] of FOUND) {
  test(`the simulation is right where it found a fault: ${fault}`, () => {
    assert.equal(simulateMany(seed, 1, realMachine, options).found, undefined);
  });
}

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
