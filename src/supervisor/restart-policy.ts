import { backoffMs } from "../base/backoff.ts";
import { counted } from "../base/counted.ts";
import type { ResolvedService } from "./config/resolved.ts";

/** The consequence of an end that newel did not request. */
export type RestartDecision =
  | { readonly verdict: "restart"; readonly afterMs: number }
  /** The process has completed its work. */
  | { readonly verdict: "rest" }
  | { readonly verdict: "give up"; readonly why: string };

/** The earlier ends of a service's processes that newel did not ask for. */
export interface FailureHistory {
  /** Times of the restarts so far, in milliseconds of a monotonic clock, newest last. */
  readonly restarts: readonly number[];
  /** Failures in a row: a process that lived for the whole window starts the count again. */
  readonly inARow: number;
}

/**
 * Decides whether a process that ended by itself is started again. As in OTP: at most an intensity
 * of restarts within a window, then none.
 *
 * @param exitCode - `null` (unknown, or it could not be started) counts as a failure
 * @param ending - how it ended, as the rest of a sentence; default: its exit code
 * @param random - 0 to 1; given in tests
 */
export function decideRestart(
  restart: ResolvedService["restart"],
  exitCode: number | null,
  history: FailureHistory,
  nowMs: number,
  random: () => number = Math.random,
  ending = `it ended with ${describeExit(exitCode)}`,
): RestartDecision {
  const failed = exitCode !== 0;
  if (restart.policy === "never" || (restart.policy === "on-failure" && !failed)) {
    return failed ? { verdict: "give up", why: ending } : { verdict: "rest" };
  }
  const recent = history.restarts.filter((at) => nowMs - at < restart.withinMs);
  if (recent.length >= restart.max) {
    const seconds = Math.round(restart.withinMs / 1_000);
    return {
      verdict: "give up",
      why: `it failed ${counted(recent.length + 1, "time")} within ${seconds} s; the last time ${ending}`,
    };
  }
  return { verdict: "restart", afterMs: backoffMs(restart.backoff, history.inARow + 1, random) };
}

/** `exit code 1`, `signal 9`, `an unknown exit code`. */
export function describeExit(exitCode: number | null): string {
  if (exitCode === null) return "an unknown exit code";
  return exitCode < 0 ? `signal ${-exitCode}` : `exit code ${exitCode}`;
}
