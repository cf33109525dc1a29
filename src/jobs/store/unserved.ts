import type { Queues } from "./queues.ts";

/** The queue of notes: each waiting job names a job that a server could not execute. */
export const UNSERVED_QUEUE = "newel-unserved";
/** How long a note is shown, in milliseconds: servers write it each minute while runs wait. */
const SHOWN_MS = 180_000;
const MOST = 1_000;

/** A job with runs that a server left to others. */
export interface UnservedNote {
  readonly queue: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly seenMs: number;
}

/** The names of jobs that servers could not execute in the last minutes, by queue. */
export async function unservedJobs(queues: Queues): Promise<ReadonlyMap<string, string[]>> {
  const jobs = await queues.reader(UNSERVED_QUEUE).getJobs(["waiting"], 0, MOST - 1);
  const names = new Map<string, string[]>();
  for (const job of jobs) {
    const { queue, name, seenMs } = (job?.data ?? {}) as Partial<UnservedNote>;
    if (typeof queue !== "string" || typeof name !== "string") continue;
    if (!(Date.now() - (seenMs ?? 0) <= SHOWN_MS)) continue;
    names.set(queue, [...(names.get(queue) ?? []), name].sort());
  }
  return names;
}
