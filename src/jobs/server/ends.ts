import { UnrecoverableError } from "bullmq";

import { hasCode, isNewelError, newelError } from "../../base/errors.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import type { RunError } from "../api.ts";
import { formatFailure, toRunError } from "../failure.ts";
import type { JobFacts, Outcome } from "../runner/protocol.ts";

/** What becomes of a run when an attempt of its has ended. */
export type End =
  | { readonly kind: "done"; readonly result: unknown }
  /** It failed, as BullMQ is told; `atOnce`: the next attempt does not wait. */
  | { readonly kind: "failed"; readonly error: Error; readonly atOnce: boolean }
  /** It does not count: the run waits again as it did before. */
  | { readonly kind: "back"; readonly waitMs: number };

/** What is known of an attempt that has ended. */
export interface Ended {
  readonly facts: JobFacts;
  /** How it ended in its process, or why it did not come to that. */
  readonly outcome: Outcome | { readonly state: "lost"; readonly error: unknown };
  /** Why it was asked to end, if it was. */
  readonly reason: unknown;
}

/** How long a place stays empty when no process could be started for its job, in milliseconds. */
const NO_PROCESS_MS = 1_000;

/** What follows from how an attempt ended. */
export function endOf({ facts, outcome, reason }: Ended): End {
  // It is told to be cancelled since it was asked for; what it still did changes nothing.
  if (hasCode(reason, "NEWEL_E_JOB_CANCELLED")) return failed(finalError(toRunError(reason)));
  if (outcome.state === "done")
    return { kind: "done", result: JSON.parse(outcome.result) as unknown };
  if (hasCode(reason, "NEWEL_E_JOB_SERVER_STOPPING")) return { kind: "back", waitMs: 0 };
  if (hasCode(reason, "NEWEL_E_JOB_TIMEOUT")) return failed(attemptError(toRunError(reason)));
  if (outcome.state === "lost") return endOfLost(outcome.error, facts);
  const { error, stack, isFinal } = outcome;
  return failed(isFinal ? finalError(error, stack) : attemptError(error, stack));
}

function endOfLost(error: unknown, { name }: JobFacts): End {
  const data = isNewelError(error) ? error.data : {};
  if (hasCode(error, "NEWEL_E_POOL_MEMORY")) {
    const used = formatSize(Number(data["usedBytes"]));
    const limit = formatSize(Number(data["limitBytes"]));
    const memory = newelError("NEWEL_E_JOB_MEMORY", { job: name, used, limit });
    return failed(attemptError(toRunError(memory)));
  }
  // It was killed for another job that it ran as well.
  if (data["because"] === "sibling") return { kind: "back", waitMs: 0 };
  if (hasCode(error, "NEWEL_E_POOL_WORKER_LOST")) {
    const lost = newelError("NEWEL_E_JOB_WORKER_LOST", { job: name, how: data["how"] ?? "" });
    return { ...failed(attemptError(toRunError(lost))), atOnce: true };
  }
  return { kind: "back", waitMs: NO_PROCESS_MS };
}

function failed(error: Error): End & { readonly kind: "failed" } {
  return { kind: "failed", error, atOnce: false };
}

/** Another attempt follows if attempts are left. */
export function attemptError(error: RunError, stack?: string): Error {
  return written(new Error(), error, stack);
}

/** No other attempt would do better. */
export function finalError(error: RunError, stack?: string): Error {
  return written(new UnrecoverableError(), error, stack);
}

function written(failure: Error, { name, code, message }: RunError, stack = ""): Error {
  const told = Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
  failure.message = formatFailure(told);
  failure.stack = stack;
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
