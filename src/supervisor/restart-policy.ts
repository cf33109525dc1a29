import { backoffMs } from "../base/backoff.ts";
import type { ResolvedService } from "./config/resolved.ts";

/** What came of a process that nobody asked to end. */
export type RestartDecision =
  | { readonly verdict: "restart"; readonly afterMs: number }
  /** It has done its work. */
  | { readonly verdict: "rest" }
  | { readonly verdict: "give up"; readonly why: string };

/** The ends of a service's processes that nobody asked for, newest last. */
export interface FailureHistory {
  /** Times of the restarts so far, in milliseconds. */
  readonly restarts: readonly number[];
  /** Failures in a row: a process that lived for the whole window begins anew. */
  readonly inARow: number;
}

/**
 * Decides what to do about a process that ended by itself (the words are OTP's: intensity within a
 * window, then no more).
 *
 * @param exitCode - `null` (unknown) counts as a failure
 * @param random - 0 to 1; given in tests
 */
export function decideRestart(
  restart: ResolvedService["restart"],
  exitCode: number | null,
  history: FailureHistory,
  nowMs: number,
  random: () => number = Math.random,
): RestartDecision {
  const failed = exitCode !== 0;
  if (restart.policy === "never" || (restart.policy === "on-failure" && !failed)) {
    return failed
      ? { verdict: "give up", why: `it ended with ${describeExit(exitCode)}` }
      : { verdict: "rest" };
  }
  const recent = history.restarts.filter((at) => nowMs - at < restart.withinMs);
  if (recent.length >= restart.max) {
    const seconds = Math.round(restart.withinMs / 1_000);
    return {
      verdict: "give up",
      why: `it ended ${recent.length + 1} times within ${seconds} s, the last time with ${describeExit(exitCode)}`,
    };
  }
  return { verdict: "restart", afterMs: backoffMs(restart.backoff, history.inARow + 1, random) };
}

/** `exit code 1`, `signal 9`, `an unknown exit code`. */
export function describeExit(exitCode: number | null): string {
  if (exitCode === null) return "an unknown exit code";
  return exitCode < 0 ? `signal ${-exitCode}` : `exit code ${exitCode}`;
}
