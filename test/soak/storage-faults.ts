// Every system call of the store fails once, and the power is cut once after it, with 1 and 3 processes, at full and at
// normal; the control, plain SQLite, the kernel's journal and the state of singletons in the same run, and the broken variants,
// which have to be caught. A table of counts: `storage-faults.ts [SEED] [TRIALS OF EACH PROGRAM]`.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Outcome, Trial } from "../faults/fault.ts";
import { allTrials, countAll, describe, runTrials, someTrials } from "../faults/points.ts";
import { buildShim } from "../faults/trial.ts";
import { isCaught, VARIANTS } from "../faults/variants.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import { withScope } from "../load/scope.ts";

const SEED = Number(process.argv[2] ?? Date.now() % 1_000_000);
/** How many of the trials of each program, by the seed; all when left out. */
const COUNT = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
/** Most of a trial is the start of programs, and waits. */
const AT_ONCE = 6;
const PROGRAMS = { adder: "store", control: "SQLite", kernel: "kernel", singleton: "singleton" };

type Sum = Record<"trials" | "reached" | "answered" | "refused" | "lost" | "problems", number>;

const sums = new Map<string, Sum>();
let failed = 0;
let caught = 0;

await withScope(async (scope) => {
  const directory = temporaryDirectory(scope);
  const shim = buildShim(directory);
  const trials: Trial[] = [];
  for (const program of ["adder", "control", "kernel", "singleton"] as const) {
    const calls = await countAll(shim, join(directory, "count"), program);
    trials.push(
      ...(COUNT === undefined
        ? allTrials(program, SEED, calls)
        : someTrials(program, SEED, calls, COUNT)),
    );
  }
  await runTrials(shim, directory, trials, AT_ONCE, count);
  printTable();
  for (const [number, variant] of VARIANTS.entries()) {
    const place = join(directory, `variant-${number}`);
    mkdirSync(place);
    if (await isCaught(shim, place, variant)) caught += 1;
    else console.log(`not caught: ${variant.name}`);
  }
});
const total = [...sums.values()].reduce((all, { trials }) => all + trials, 0);
console.log(
  `seed ${SEED}: ${total} trials, ${failed} failed; ${caught} of ${VARIANTS.length} broken variants caught`,
);
if (failed > 0 || caught < VARIANTS.length) process.exitCode = 1;

function count(trial: Trial, { reached, answered, refused, lost, problem }: Outcome): void {
  const { program, synchronous, processes, end = "power", fault } = trial;
  const mode = program === "adder" || program === "control" ? synchronous : end;
  const key = `${PROGRAMS[program]} ${mode} ${processes} ${fault.op} ${fault.file}`;
  const zero = { trials: 0, reached: 0, answered: 0, refused: 0, lost: 0, problems: 0 };
  const sum = sums.get(key) ?? zero;
  sums.set(key, {
    trials: sum.trials + 1,
    reached: sum.reached + Number(reached),
    answered: sum.answered + answered,
    refused: sum.refused + refused,
    lost: sum.lost + lost,
    problems: sum.problems + Number(problem !== undefined),
  });
  if (!reached) console.log(`${describe(trial)}: not reached`);
  if (lost > 0 || problem !== undefined)
    console.log(`${describe(trial)}: ${lost} lost, ${problem ?? "the file is whole"}`);
  if (program !== "control" && (!reached || lost > 0 || problem !== undefined)) failed += 1;
}

function printTable(): void {
  console.log(
    "program, mode, processes, call, file: trials reached answered refused lost problems",
  );
  for (const [key, { trials, reached, answered, refused, lost, problems }] of [...sums].toSorted(
    ([a], [b]) => a.localeCompare(b),
  ))
    console.log(`${key}: ${trials} ${reached} ${answered} ${refused} ${lost} ${problems}`);
}
