import { UnrecoverableError } from "bullmq";

import { hasCode, isNewelError, newelError } from "../../base/errors.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import type { RunError } from "../api.ts";
import { formatFailure, toRunError } from "../failure.ts";
import type { JobFacts, Outcome } from "../runner/protocol.ts";
import type { Crash } from "./keeper.ts";
import { SIBLING } from "./memory-limits.ts";

/** The outcome of a run after one of its attempts has ended. */
export type End =
  | { readonly kind: "done"; readonly result: unknown }
  /** The attempt failed; with `atOnce` the next attempt starts without a backoff. */
  | {
      readonly kind: "failed";
      readonly error: Error;
      readonly atOnce: boolean;
      /** The last lines of stderr. */
      readonly stderr?: readonly string[];
    }
  /** The attempt does not count: the run waits again as before. */
  | { readonly kind: "back"; readonly waitMs: number }
  /**
   * The attempt does not count, and `park` lets the run wait for its group, its children, its key, or another server.
   */
  | { readonly kind: "parked"; readonly park: () => Promise<void> };

/** The facts about an attempt that has ended. */
export interface Ended {
  readonly facts: JobFacts;
  /** How it ended in its process, or why it never ran there. */
  readonly outcome: Outcome | { readonly state: "lost"; readonly error: unknown };
  /** Why it was aborted, if it was. */
  readonly reason: unknown;
  /** The error that ended its process, if the process has sent one. */
  readonly crash?: Crash | undefined;
}

/** How long a permit stays unused when no process could be started for its job, in milliseconds. */
const NO_PROCESS_MS = 1_000;

/** Decides the outcome of a run from the end of its attempt. */
export function endOf({ facts, outcome, reason, crash }: Ended): End {
  // The run counts as cancelled from the request on; a later result of the handler changes nothing.
  if (hasCode(reason, "NEWEL_E_JOB_CANCELLED")) return failure(finalError(toRunError(reason)));
  if (outcome.state === "done")
    return { kind: "done", result: JSON.parse(outcome.result) as unknown };
  if (hasCode(reason, "NEWEL_E_JOB_SERVER_STOPPING")) return { kind: "back", waitMs: 0 };
  if (hasCode(reason, "NEWEL_E_JOB_TIMEOUT")) return failure(attemptError(toRunError(reason)));
  if (outcome.state === "lost") return endOfLost(outcome.error, facts, crash);
  const { error, stack, isFinal, stderr = [] } = outcome;
  return { ...failure(isFinal ? finalError(error, stack) : attemptError(error, stack)), stderr };
}

function endOfLost(error: unknown, { name }: JobFacts, crash: Crash | undefined): End {
  const data = isNewelError(error) ? error.data : {};
  if (hasCode(error, "NEWEL_E_POOL_MEMORY")) {
    const used = formatSize(Number(data["usedBytes"]));
    const limit = formatSize(Number(data["limitBytes"]));
    const memory = newelError("NEWEL_E_JOB_MEMORY", { job: name, used, limit });
    return failure(attemptError(toRunError(memory)));
  }
  // The process was killed because of another job that it ran too.
  if (error === SIBLING || data["because"] === "sibling") return { kind: "back", waitMs: 0 };
  if (hasCode(error, "NEWEL_E_POOL_WORKER_LOST")) {
    const uncaught = crash && `uncaught ${crash.error.name}: ${crash.error.message}`;
    const how = uncaught ?? data["how"] ?? "";
    const lost = newelError("NEWEL_E_JOB_WORKER_LOST", { job: name, how });
    const { stack, stderr = [] } = crash ?? {};
    return { ...failure(attemptError(toRunError(lost), stack)), atOnce: true, stderr };
  }
  return { kind: "back", waitMs: NO_PROCESS_MS };
}

/** The attempt failed; the next one, if any is left, waits for the backoff. */
export function failure(error: Error): End & { readonly kind: "failed" } {
  return { kind: "failed", error, atOnce: false };
}

/** Another attempt follows if attempts are left. */
function attemptError(error: RunError, stack?: string): Error {
  return written(new Error(), error, stack);
}

/** Another attempt would fail in the same way. */
export function finalError(error: RunError, stack?: string): Error {
  return written(new UnrecoverableError(), error, stack);
}

function written(failure: Error, { name, code, message }: RunError, stack?: string): Error {
  const told = Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
  failure.message = formatFailure(told);
  failure.stack = stack ?? failure.message;
  return failure;
}

export function cancelledReason(run: string): Error {
  return newelError("NEWEL_E_JOB_CANCELLED", { run });
}

export function timeoutReason({ name }: JobFacts, timeoutMs: number): Error {
  return newelError("NEWEL_E_JOB_TIMEOUT", { job: name, timeout: formatDuration(timeoutMs) });
}

export function stoppingReason(graceMs: number): Error {
  return newelError("NEWEL_E_JOB_SERVER_STOPPING", { grace: formatDuration(graceMs) });
}
