import type { Job, JobJson, JobState } from "bullmq";

import type { Run, RunState } from "../api.ts";
import { progressOf } from "../events/entry.ts";
import { CANCELLED_CODE, parseFailure } from "../failure.ts";
import { formatRunId } from "../names.ts";
import { fromStored } from "../stored.ts";

/** What is read of BullMQ's job; its own class has it, and what a search on a file finds. */
export type JobFacts = Pick<
  Job,
  | "id"
  | "name"
  | "data"
  | "opts"
  | "progress"
  | "returnvalue"
  | "failedReason"
  | "attemptsMade"
  | "attemptsStarted"
  | "timestamp"
  | "delay"
  | "priority"
  | "processedOn"
  | "finishedOn"
>;

/** A job of BullMQ in newel's words. @param wished - whether somebody wants it cancelled */
export function toRun(queue: string, job: JobFacts, state: string, wished: boolean): Run {
  const { input, by, key } = fromStored(job.data);
  const failure = job.failedReason ? parseFailure(job.failedReason) : undefined;
  const known = runState(state, failure?.code, wished);
  const progress = progressOf(job.progress);
  const due = known === "delayed" ? dueMs(job) : undefined;
  return {
    id: formatRunId(queue, job.id ?? ""),
    name: job.name,
    queue,
    state: known,
    input,
    attempt: Math.max(job.attemptsStarted ?? 0, job.attemptsMade ?? 0),
    attempts: Math.max(1, job.opts.attempts ?? 1),
    priority: job.priority ?? 0,
    enqueuedMs: job.timestamp,
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(progress === undefined ? {} : { progress }),
    ...(known === "done" ? { result: job.returnvalue as unknown } : {}),
    ...(failure === undefined || known === "done" ? {} : { error: failure }),
    ...(due === undefined ? {} : { dueMs: due }),
    ...(job.processedOn === undefined ? {} : { startedMs: job.processedOn }),
    ...(job.finishedOn === undefined || !isFinal(state) ? {} : { finishedMs: job.finishedOn }),
  };
}

/** A job as a store gives it, its texts read. */
export function factsOf(json: JobJson): JobFacts {
  return {
    ...json,
    data: JSON.parse(json.data) as unknown,
    returnvalue:
      typeof json.returnvalue === "string" ? (JSON.parse(json.returnvalue) as unknown) : null,
  } as JobFacts;
}

/** BullMQ's names of the states in which a run of ours may be. */
export const BULL_STATES: Readonly<Record<RunState, readonly JobState[]>> = {
  waiting: ["waiting", "prioritized", "waiting-children"],
  delayed: ["delayed"],
  running: ["active"],
  done: ["completed"],
  failed: ["failed"],
  cancelled: ["waiting", "prioritized", "waiting-children", "delayed", "active", "failed"],
};

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

/** When a delayed run is due: known for its first delay; that of a retry counts from a moment BullMQ does not tell. */
function dueMs({ timestamp, delay, attemptsMade }: JobFacts): number | undefined {
  return delay > 0 && !(attemptsMade > 0) ? timestamp + delay : undefined;
}
