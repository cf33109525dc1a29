import process from "node:process";
import { parseArgs } from "node:util";

import { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type { Invariant, Violation } from "./expected.ts";
import { showOne as simulateLease, simulateMany as simulateLeases } from "./leases/run.ts";
import { type MakeMachine, type RunOptions, simulate } from "./world.ts";

/** The totals of many runs. */
export interface Summary {
  readonly seeds: number;
  readonly steps: number;
  readonly checks: ReadonlyMap<Invariant, number>;
  /** The first run in which something was found. */
  readonly found: { readonly seed: number; readonly violation: Violation } | undefined;
}

/** The machine as it is. */
export const realMachine: MakeMachine = (...args) => new ServiceMachine(...args);

/** Runs the seeds from `first` on, until something is found. */
export function simulateMany(
  first: number,
  count: number,
  make: MakeMachine = realMachine,
  options: RunOptions = {},
): Summary {
  const checks = new Map<Invariant, number>();
  let steps = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const run = simulate(seed, make, options);
    steps += run.steps;
    for (const [invariant, times] of run.checks)
      checks.set(invariant, (checks.get(invariant) ?? 0) + times);
    const [violation] = run.violations;
    if (violation !== undefined)
      return { seeds: seed - first + 1, steps, checks, found: { seed, violation } };
  }
  return { seeds: count, steps, checks, found: undefined };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100000" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      model: { type: "string", default: "service" },
      // All services have a liveness check and a limit of memory, instead of one in five.
      checked: { type: "boolean", default: false },
    },
  });
  const options: RunOptions = values.checked ? { isChecked: true } : {};
  // The service machine of the supervisor, or the leases of the job server.
  const isLeases = values.model === "leases";
  process.exitCode = values.seed === undefined ? runMany() : showOne(Number(values.seed));

  function runMany(): number {
    const started = performance.now();
    const [first, count] = [Number(values.first), Number(values.seeds)];
    const { seeds, steps, checks, found } = isLeases
      ? simulateLeases(first, count)
      : simulateMany(first, count, realMachine, options);
    const seconds = Math.round((performance.now() - started) / 1_000);
    console.log(`${seeds} seeds, ${steps} steps in ${seconds} s`);
    for (const [invariant, times] of checks) console.log(`  ${times} × ${invariant}`);
    if (found === undefined) return 0;
    const { seed, violation } = found;
    console.log(`seed ${seed}, ${violation.atMs} ms: ${violation.invariant}: ${violation.what}`);
    console.log(
      `npm run simulate -- --model ${isLeases ? "leases" : "service"}${values.checked ? " --checked" : ""} --seed ${seed} shows what led to it.`,
    );
    return 1;
  }

  function showOne(seed: number): number {
    const run = isLeases
      ? simulateLease(seed)
      : simulate(seed, realMachine, { ...options, keepsLog: true });
    for (const line of run.log) console.log(line);
    return run.violations.length === 0 ? 0 : 1;
  }
}
