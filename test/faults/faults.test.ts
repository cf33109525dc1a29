// One system call fails, and later the power is cut: each change was answered and is there, or was refused.
// `npm run soak -- storage-faults` runs all points; here are some, by a seed.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";

import { temporaryDirectory } from "../helpers/resources.ts";
import type { Trial } from "./fault.ts";
import { countAll, describe, runTrials, someTrials } from "./points.ts";
import { buildShim, withoutCompiler } from "./trial.ts";
import { isCaught, VARIANTS } from "./variants.ts";

const SEED = Number(process.env["FAULTS_SEED"] ?? "16");
const AT_ONCE = 3;
/** The syncs of the WAL after which the power is cut, soon after the first answers. */
const STARTING = [8, 9, 10] as const;

for (const [program, what, count] of [
  ["adder", "the store loses no answered job", 14],
  ["control", "the control, plain SQLite, loses no answered row", 6],
  ["kernel", "the kernel loses no answered change", 9],
  ["singleton", "a singleton loses no answered call", 3],
] as const)
  test(`${what} in ${count} trials of seed ${SEED}`, { skip: withoutCompiler }, async (scope) => {
    const directory = temporaryDirectory(scope);
    const shim = buildShim(directory);
    const calls = await countAll(shim, join(directory, "count"), program);
    const trials = someTrials(program, SEED, calls, count);
    assert.equal(trials.length, count);
    let answered = 0;
    await runTrials(shim, directory, trials, AT_ONCE, (trial, outcome) => {
      answered += outcome.answered;
      assert.equal(outcome.problem, undefined, describe(trial));
      assert.equal(outcome.lost, 0, `${describe(trial)}: ${JSON.stringify(outcome)}`);
      assert.ok(outcome.reached, `${describe(trial)}: the fault was not reached`);
    });
    assert.ok(answered > 0);
  });

test(
  "jobs of processes that start together on a slow disk are there after a power cut",
  { skip: withoutCompiler },
  async (scope) => {
    const directory = temporaryDirectory(scope);
    const shim = buildShim(directory);
    const trials = STARTING.map((at): Trial => {
      // Commits of the others fall into the checkpoint with which a process writes its session.
      const cut = { failure: "EIO", cutAfter: 5, slowMs: 2 } as const;
      const fault = { op: "sync", file: "-wal", at, ...cut } as const;
      return { program: "adder", synchronous: "full", processes: 3, fault };
    });
    await runTrials(shim, directory, trials, AT_ONCE, (trial, outcome) => {
      assert.equal(outcome.problem, undefined, describe(trial));
      assert.equal(outcome.lost, 0, `${describe(trial)}: ${JSON.stringify(outcome)}`);
      assert.ok(outcome.answered > 0);
    });
  },
);

suite("broken variants", { concurrency: AT_ONCE, skip: withoutCompiler }, () => {
  for (const variant of VARIANTS)
    test(`a broken variant is caught: ${variant.name}`, async (scope) => {
      const directory = temporaryDirectory(scope);
      const shim = buildShim(directory);
      const place = join(directory, "variant");
      mkdirSync(place);
      assert.ok(await isCaught(shim, place, variant), "it lost nothing");
    });
});
