import type { JobsOptions } from "bullmq";

import type { EnqueueRequest, Retention, RetryBackoff, StoredJob } from "./api.ts";

/** The name of newel's waits between attempts among BullMQ's backoff strategies. */
const BACKOFF = "newel";

/** What BullMQ keeps of a run as its data. */
export function toStored(request: EnqueueRequest): StoredJob {
  const { input, by, key, group, trace } = request;
  // `by` comes first: a store may look for it at the front.
  return {
    v: 1,
    ...(by === undefined ? {} : { by }),
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(trace === undefined ? {} : { trace }),
    input: input === undefined ? null : input,
  };
}

/** Data as it was read from a store; what is no envelope of ours is the input itself. */
export function fromStored(data: unknown): StoredJob {
  if (!isRecord(data) || data["v"] !== 1 || !("input" in data)) return { v: 1, input: data };
  const { input, by, key, group, trace, steps } = data;
  return {
    v: 1,
    input,
    ...(typeof by === "string" ? { by } : {}),
    ...(typeof key === "string" ? { key } : {}),
    ...(typeof group === "string" ? { group } : {}),
    ...(isRecord(trace) ? { trace: texts(trace) } : {}),
    ...(isRecord(steps) ? { steps } : {}),
  };
}

/** The options BullMQ gets for a run, apart from its id and key. */
export function toJobsOptions(
  request: Pick<EnqueueRequest, "delayMs" | "priority" | "attempts" | "backoff" | "keep">,
): JobsOptions {
  const { delayMs, priority, attempts, backoff, keep } = request;
  return {
    attempts,
    backoff: { type: BACKOFF, delay: backoff.minMs, maxMs: backoff.maxMs } as { type: string },
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority === undefined ? {} : { priority }),
    removeOnComplete: keepJobs(keep.done),
    removeOnFail: keepJobs(keep.failed),
  };
}

/** The waits a run was enqueued with; `undefined` when it was not by newel. */
export function readBackoff({ backoff }: { readonly backoff?: unknown }): RetryBackoff | undefined {
  if (!isRecord(backoff) || backoff["type"] !== BACKOFF) return undefined;
  const { delay: minMs, maxMs } = backoff;
  return typeof minMs === "number" && typeof maxMs === "number" ? { minMs, maxMs } : undefined;
}

function keepJobs({ ageMs, count }: Retention["done"]): { age: number; count?: number } {
  return { age: Math.ceil(ageMs / 1_000), ...(count === undefined ? {} : { count }) };
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
