import type { Run, Scope } from "../api.ts";
import { formatRunId, isOwnQueue, parseRunId } from "../names.ts";
import { readBy } from "../scope.ts";
import { isStepLine } from "../steps.ts";
import { fromStored } from "../stored.ts";
import { WISH_QUEUE, wishId } from "../wishes.ts";
import type { Queues } from "./queues.ts";
import { isFinal, type JobFacts, toRun } from "./run.ts";

/** A found job: the names of queue and state are BullMQ's. */
export interface Found {
  readonly queue: string;
  readonly state: string;
  readonly job: JobFacts;
}

/** The run of an id; `undefined` when it does not exist or belongs to another owner. */
export async function lookAt(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<Run | undefined> {
  const by = readBy(scope);
  // All reads are sent at once, so that a caller waits for one round trip to the store, not for several.
  const [found, isWished] = await Promise.all([findJob(queues, id, by), hasWish(queues, id)]);
  return found === undefined ? undefined : toRun(found.queue, found.job, found.state, isWished);
}

async function hasWish(queues: Queues, id: string): Promise<boolean> {
  if (parseRunId(id) === undefined) return false;
  return (await queues.reader(WISH_QUEUE).getJob(wishId(id))) !== undefined;
}

/** The largest number of returned log lines, and the number of lines that are read from the store at once. */
const LINES = 1_000;

/** Returns the last lines that the handler of a run logged, the oldest first. Finished steps are left out. */
export async function lastLogs(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<readonly string[]> {
  const found = await findJob(queues, id, readBy(scope));
  if (found === undefined) return [];
  const reader = queues.reader(found.queue);
  const lines: string[] = [];
  // A run that adds lines at the same time moves the lines that are read: none is missed, but one may come twice.
  for (let from = 0, count = 1; from < count && lines.length < LINES; from += LINES) {
    const page = await reader.getJobLogs(found.job.id ?? "", from, from + LINES - 1, false);
    lines.push(...page.logs.filter((line) => !isStepLine(line)));
    count = page.count;
  }
  return lines.slice(0, LINES).reverse();
}

/** How many times a job is read when its state changes during the read. */
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
    // A server needs two reads: between them a job may have ended, or been retried.
    const agree = isFinal(state) === (job.finishedOn !== undefined && job.finishedOn !== null);
    if (!agree && read < READS) continue;
    if (by !== undefined && fromStored(job.data).by !== by) return undefined;
    return { queue: parts.queue, state, job: job as JobFacts };
  }
}

/** Converts jobs to runs: an unfinished job with a cancel request is shown as cancelled. */
export async function toRuns(queues: Queues, found: readonly Found[]): Promise<Run[]> {
  return Promise.all(
    found.map(async ({ queue, state, job }) => {
      if (isFinal(state)) return toRun(queue, job, state, false);
      const isWished = await hasWish(queues, formatRunId(queue, job.id ?? ""));
      return toRun(queue, job, state, isWished);
    }),
  );
}
