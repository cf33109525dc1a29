import type { Run, Scope } from "../api.ts";
import { formatRunId, isOwnQueue, parseRunId } from "../names.ts";
import { readBy } from "../scope.ts";
import { fromStored } from "../stored.ts";
import { WISH_QUEUE, wishId } from "../wishes.ts";
import type { Queues } from "./queues.ts";
import { isFinal, type JobFacts, toRun } from "./run.ts";

/** A job as it was found: the names of queue and state are BullMQ's. */
export interface Found {
  readonly queue: string;
  readonly state: string;
  readonly job: JobFacts;
}

/** The run of an id, unless there is none or it is somebody else's. */
export async function lookAt(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<Run | undefined> {
  const by = readBy(scope);
  // All at once: whoever follows a run waits for one answer of the store, not for one after the other.
  const [found, isWished] = await Promise.all([findJob(queues, id, by), hasWish(queues, id)]);
  return found === undefined ? undefined : toRun(found.queue, found.job, found.state, isWished);
}

async function hasWish(queues: Queues, id: string): Promise<boolean> {
  if (parseRunId(id) === undefined) return false;
  return (await queues.reader(WISH_QUEUE).getJob(wishId(id))) !== undefined;
}

/** Log lines that are given. */
const LINES = 1_000;

/** The last lines of a run's log, the oldest first. */
export async function lastLogs(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<readonly string[]> {
  const found = await findJob(queues, id, readBy(scope));
  if (found === undefined) return [];
  const reader = queues.reader(found.queue);
  const { logs } = await reader.getJobLogs(found.job.id ?? "", 0, LINES - 1, false);
  return logs.reverse();
}

/** How often a job is read again that changed its state while it was read. */
const READS = 4;

/** The job of a run's id, within a scope. */
export async function findJob(
  queues: Queues,
  id: string,
  by: string | undefined,
): Promise<Found | undefined> {
  const parts = parseRunId(id);
  if (parts === undefined || isOwnQueue(parts.queue)) return undefined;
  const queue = queues.reader(parts.queue);
  for (let read = 1; ; read += 1) {
    const [job, state] = await Promise.all([queue.getJob(parts.job), queue.getJobState(parts.job)]);
    if (job === undefined) return undefined;
    // Two reads on a server: between them a job may have ended, or been tried again.
    const agree = isFinal(state) === (job.finishedOn !== undefined && job.finishedOn !== null);
    if (!agree && read < READS) continue;
    if (by !== undefined && fromStored(job.data).by !== by) return undefined;
    return { queue: parts.queue, state, job: job as JobFacts };
  }
}

/** Jobs as runs: those that are not finished are cancelled when somebody wishes so. */
export async function toRuns(queues: Queues, found: readonly Found[]): Promise<Run[]> {
  return Promise.all(
    found.map(async ({ queue, state, job }) => {
      if (isFinal(state)) return toRun(queue, job, state, false);
      const isWished = await hasWish(queues, formatRunId(queue, job.id ?? ""));
      return toRun(queue, job, state, isWished);
    }),
  );
}
