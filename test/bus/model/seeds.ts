import { mock } from "node:test";

import { Random } from "../../simulation/random.ts";
import { VirtualClock } from "./clock.ts";
import { type Program, randomProgram } from "./program.ts";
import { brokenRules } from "./rules.ts";
import { runProgram, type Subject } from "./run.ts";

/** A program that breaks rules of the documentation. */
interface Found {
  readonly seed: number;
  readonly broken: readonly string[];
  readonly program: Program;
}

/**
 * Runs the programs of these seeds up to the first that breaks a rule. Log listeners of some
 * programs fail, which warns.
 */
export async function findBroken(
  subject: Subject,
  first: number,
  last: number,
): Promise<Found | undefined> {
  const clock = new VirtualClock();
  const warnings = mock.method(process, "emitWarning", () => undefined);
  clock.install();
  try {
    for (let seed = first; seed <= last; seed += 1) {
      const program = randomProgram(new Random(seed));
      const broken = brokenRules(program, await runProgram(program, subject, clock));
      if (broken.length > 0) return { seed, broken, program };
    }
    return undefined;
  } finally {
    clock.restore();
    warnings.mock.restore();
  }
}
