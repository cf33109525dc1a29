import { LeaseBook } from "../../../src/jobs/server/lease-book.ts";
import type { Invariant, MakeBook, SimulatedRun, Violation } from "./model.ts";
import { simulate } from "./world.ts";

/** The totals of many runs. */
export interface Summary {
  readonly seeds: number;
  readonly steps: number;
  readonly checks: ReadonlyMap<Invariant, number>;
  /** The first run in which something was found. */
  readonly found: { readonly seed: number; readonly violation: Violation } | undefined;
}

/** The machine as it is. */
const realBook: MakeBook = (terms) => new LeaseBook(terms);

/** Runs the seeds from `first` on, until something is found. */
export function simulateMany(first: number, count: number, make: MakeBook = realBook): Summary {
  const checks = new Map<Invariant, number>();
  let steps = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const run = simulate(seed, make);
    steps += run.steps;
    for (const [invariant, times] of run.checks)
      checks.set(invariant, (checks.get(invariant) ?? 0) + times);
    const [violation] = run.violations;
    if (violation !== undefined)
      return { seeds: seed - first + 1, steps, checks, found: { seed, violation } };
  }
  return { seeds: count, steps, checks, found: undefined };
}

/** Runs one seed, and notes its events. */
export function showOne(seed: number): SimulatedRun {
  return simulate(seed, realBook, true);
}
