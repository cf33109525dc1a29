import type { JobsOptions } from "bullmq";

import type { EnqueueRequest, RetryBackoff, StoredJob } from "./api.ts";

/** The name of newel's waits between attempts among BullMQ's backoff strategies. */
const BACKOFF = "newel";
/** The option that BullMQ keeps for newel: how long the finished run is kept. */
const KEEP = "newelKeep";

/** The data of a run's BullMQ job. @param more.waits - the run has children */
export function toStored(
  request: EnqueueRequest,
  { waits = false }: { readonly waits?: boolean } = {},
): StoredJob {
  const { input, by, key, group, trace } = request;
  // `by` comes first, because a store may search for it at the beginning.
  return {
    v: 1,
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(trace === undefined ? {} : { trace }),
    ...(waits ? { waits } : {}),
    input: input === undefined ? null : input,
  };
}

/** Parses data from a store; data without newel's envelope is the input itself. */
export function fromStored(data: unknown): StoredJob {
  if (!isStored(data)) return { v: 1, input: data };
  const { input, by, key, group, trace, steps, waits } = data;
  return {
    v: 1,
    input,
    ...(typeof by === "string" ? { by } : {}),
    ...(typeof key === "string" ? { key } : {}),
    ...(typeof group === "string" ? { group } : {}),
    ...(isRecord(trace) ? { trace: texts(trace) } : {}),
    ...(waits === true ? { waits } : {}),
    ...(isRecord(steps) ? { steps } : {}),
  };
}

/** Whether newel has enqueued the data, and not BullMQ's own `Queue.add`. */
export function isStored(data: unknown): data is Readonly<Record<string, unknown>> {
  return isRecord(data) && data["v"] === 1 && "input" in data;
}

/** BullMQ's options of a run, without its id and key. */
export function toJobsOptions(
  request: Pick<EnqueueRequest, "delayMs" | "priority" | "attempts" | "backoff" | "keep">,
): JobsOptions {
  const { delayMs, priority, attempts, backoff, keep } = request;
  return {
    attempts,
    backoff: { type: BACKOFF, delay: backoff.minMs, maxMs: backoff.maxMs } as { type: string },
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority === undefined ? {} : { priority }),
    // BullMQ would apply an age to all jobs of the queue; see server/retention.ts.
    removeOnComplete: keep.done.ageMs === 0,
    removeOnFail: keep.failed.ageMs === 0,
    ...({ [KEEP]: { done: keep.done.ageMs, failed: keep.failed.ageMs } } as object),
  };
}

/**
 * How long a finished run is stored, in milliseconds; `undefined` when BullMQ's own classes enqueued the job.
 */
export function keptMs(opts: JobsOptions, state: "done" | "failed"): number | undefined {
  const keep = (opts as Readonly<Record<string, unknown>>)[KEEP];
  const ms = isRecord(keep) ? keep[state] : earlierKeep(opts, state);
  return typeof ms === "number" ? ms : undefined;
}

/** Reads the age from BullMQ's own options, where an earlier version stored it. */
function earlierKeep(opts: JobsOptions, state: "done" | "failed"): number | undefined {
  const { removeOnComplete, removeOnFail } = opts;
  const remove = state === "done" ? removeOnComplete : removeOnFail;
  if (typeof remove !== "object" || readBackoff(opts) === undefined) return undefined;
  return "age" in remove && typeof remove.age === "number" ? remove.age * 1_000 : undefined;
}

/** The options with which the end of a run does not remove other runs. */
export function withoutAges(opts: JobsOptions): JobsOptions {
  const keep = { done: keptMs(opts, "done"), failed: keptMs(opts, "failed") };
  if (keep.done === undefined && keep.failed === undefined) return opts;
  const own = { removeOnComplete: keep.done === 0, removeOnFail: keep.failed === 0 };
  return { ...opts, ...own, ...({ [KEEP]: keep } as object) };
}

/** The backoff with which a run was enqueued; `undefined` when BullMQ's own classes enqueued the job. */
export function readBackoff({ backoff }: { readonly backoff?: unknown }): RetryBackoff | undefined {
  if (!isRecord(backoff) || backoff["type"] !== BACKOFF) return undefined;
  const { delay: minMs, maxMs } = backoff;
  return typeof minMs === "number" && typeof maxMs === "number" ? { minMs, maxMs } : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function texts(record: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}
