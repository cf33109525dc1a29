import type { Job, JobJson, JobsOptions, JobState } from "bullmq";

import type { Run, RunState } from "../api.ts";
import { parseAttemptRecords } from "../attempt-record.ts";
import { progressOf } from "../events/entry.ts";
import { CANCELLED_CODE, parseFailure } from "../failure.ts";
import { formatRunId } from "../names.ts";
import { fromStored } from "../stored.ts";
import { parseStored, storedList } from "../stored-json.ts";
import { unreadableError } from "../unreadable.ts";

/** The fields that are read of a BullMQ job; BullMQ's class and the result of a file search both have them. */
export type JobFacts = Pick<
  Job,
  | "id"
  | "name"
  | "data"
  | "opts"
  | "progress"
  | "returnvalue"
  | "failedReason"
  | "stacktrace"
  | "processedBy"
  | "deferredFailure"
  | "attemptsMade"
  | "attemptsStarted"
  | "timestamp"
  | "delay"
  | "priority"
  | "processedOn"
  | "finishedOn"
>;

/** Converts a BullMQ job to a run. @param wished - whether it has a cancel request */
export function toRun(queue: string, job: JobFacts, state: string, wished: boolean): Run {
  const { input, by, key } = fromStored(job.data);
  const failure = job.failedReason ? parseFailure(job.failedReason) : undefined;
  const known = runState(state, failure?.code, wished);
  const progress = progressOf(job.progress);
  const due = known === "delayed" ? dueMs(job) : undefined;
  const failures = parseAttemptRecords(job.stacktrace);
  const damage = unreadableError(job.deferredFailure);
  const error = damage ?? (known === "done" ? undefined : failure);
  return {
    id: formatRunId(queue, job.id ?? ""),
    name: job.name,
    queue,
    state: known,
    input,
    attempt: (job.attemptsMade ?? 0) + (state === "active" ? 1 : 0),
    attempts: attemptsOf(job.opts),
    priority: job.priority ?? 0,
    enqueuedMs: job.timestamp,
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(progress === undefined ? {} : { progress }),
    ...(known === "done" ? { result: job.returnvalue as unknown } : {}),
    ...(error === undefined ? {} : { error }),
    ...(failures.length === 0 ? {} : { failures }),
    ...(job.processedBy === undefined ? {} : { server: job.processedBy }),
    ...(due === undefined ? {} : { dueMs: due }),
    ...(job.processedOn === undefined ? {} : { startedMs: job.processedOn }),
    ...(job.finishedOn === undefined || !isFinal(state) ? {} : { finishedMs: job.finishedOn }),
  };
}

/** Parses the strings of a stored job. */
export function factsOf(json: JobJson): JobFacts {
  return {
    ...json,
    data: parseStored(json.data)?.value,
    stacktrace: [...(storedList(json.stacktrace) ?? [])],
    returnvalue: parseStored(json.returnvalue)?.value ?? null,
  } as JobFacts;
}

/** The largest number of attempts; 1 where an option that an earlier version stored is no number. */
export function attemptsOf(opts: JobsOptions): number {
  const attempts: unknown = opts.attempts;
  const number = Math.floor(Number(attempts ?? 1));
  return number > 1 ? Math.min(number, Number.MAX_SAFE_INTEGER) : 1;
}

/** BullMQ's names of the states of a run. */
export const BULL_STATES: Readonly<Record<RunState, readonly JobState[]>> = {
  waiting: ["waiting", "prioritized", "waiting-children"],
  delayed: ["delayed"],
  running: ["active"],
  done: ["completed"],
  failed: ["failed"],
  cancelled: ["waiting", "prioritized", "waiting-children", "delayed", "active", "failed"],
};

/** The run of a job key of BullMQ's flows: `bull:QUEUE:ID`, on PostgreSQL `QUEUE:ID`. */
export function runOfKey(key: string): string | undefined {
  const parts = key.split(":");
  if (parts.length > 2 && parts[0] === "bull") parts.shift();
  const [queue = "", ...id] = parts;
  return id.length === 0 ? undefined : formatRunId(queue, id.join(":"));
}

export function isFinal(state: string): boolean {
  return state === "completed" || state === "failed";
}

function runState(state: string, code: string | undefined, wished: boolean): RunState {
  switch (state) {
    case "completed":
      return "done";
    case "failed":
      return code === CANCELLED_CODE ? "cancelled" : "failed";
    case "active":
      return wished ? "cancelled" : "running";
    case "delayed":
      return wished ? "cancelled" : "delayed";
    default:
      return wished ? "cancelled" : "waiting";
  }
}

/**
 * When a delayed run is due. It is known for the first delay only, because BullMQ does not store when a retry's delay
 * began.
 */
function dueMs({ timestamp, delay, attemptsMade }: JobFacts): number | undefined {
  return delay > 0 && !(attemptsMade > 0) ? timestamp + delay : undefined;
}
