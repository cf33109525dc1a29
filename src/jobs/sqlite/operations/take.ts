import { COLUMNS, type JobTuple, nextDue } from "../job-rows.ts";
import { countOf, isPausedOrMaxed, type QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { promoteDue } from "./placing.ts";

/** The arguments of a worker that takes a job. */
export interface Taker {
  readonly token: string;
  /** Milliseconds. */
  readonly lockDuration: number;
  /** The worker's name. */
  readonly name: string | null;
  readonly limiter: { readonly max: number; readonly duration: number } | null;
  /** How often a job of this worker may stall. */
  readonly maxStalledCount: number;
}

/** A job that was taken, or the time to wait: for the rate limit, or until a delayed job is due. */
export type Taken =
  | { readonly job: JobTuple }
  | { readonly limitMs: number }
  | { readonly dueAt: number }
  | undefined;

/** Takes the next job, if there is one. */
export function takeJob(store: Store, queue: QueueRecord, taker: Taker): Taken {
  promoteIfDue(store, queue);
  return takeReady(store, queue, taker);
}

/**
 * The answer to {@link takeJob} when nothing would be written; `null` when the operation has to run.
 * An idle worker asks often, and its calls must not cause disk writes.
 */
export function peekJob(store: Store, queue: QueueRecord, taker: Taker): Taken | null {
  if (nextDue(store, queue) <= store.now) return null;
  const limitMs = limitedFor(store, queue, maxOf(queue, taker));
  if (limitMs > 0) return { limitMs };
  if (isPausedOrMaxed(queue)) return { dueAt: 0 };
  return isReady(queue) ? null : nothing(store, queue);
}

/** Whether a job waits to be taken. */
export function isReady(queue: QueueRecord): boolean {
  return countOf(queue, STATE.wait) > 0 || countOf(queue, STATE.prioritized) > 0;
}

/** Makes delayed jobs ready that are due. */
export function promoteIfDue(store: Store, queue: QueueRecord): void {
  if (countOf(queue, STATE.delayed) > 0 && nextDue(store, queue) <= store.now)
    promoteDue(store, queue);
}

function takeReady(store: Store, queue: QueueRecord, taker: Taker): Taken {
  const max = maxOf(queue, taker);
  const limitMs = limitedFor(store, queue, max);
  if (limitMs > 0) return { limitMs };
  if (isPausedOrMaxed(queue)) return { dueAt: 0 };
  const from =
    countOf(queue, STATE.wait) > 0
      ? STATE.wait
      : countOf(queue, STATE.prioritized) > 0
        ? STATE.prioritized
        : undefined;
  if (from === undefined) return nothing(store, queue);
  const job = activate(store, queue, taker, from);
  if (job === undefined) {
    // Another program has deleted rows.
    recount(store, queue);
    return takeReady(store, queue, taker);
  }
  if (max !== undefined && job.at(DEFERRED_FAILURE) === null) countForLimit(store, queue, taker);
  store.emit(queue, "active", "jobId", String(job[0]), "prev", "waiting");
  return { job };
}

function nothing(store: Store, queue: QueueRecord): Taken {
  const dueAt = nextDue(store, queue);
  return dueAt === Infinity ? undefined : { dueAt };
}

/** The index of the deferred failure in {@link COLUMNS}. */
const DEFERRED_FAILURE = 19;

function activate(
  store: Store,
  queue: QueueRecord,
  taker: Taker,
  from: typeof STATE.wait | typeof STATE.prioritized,
): JobTuple | undefined {
  // The token "0" means that the job has no lock: BullMQ's own convention for a job taken without one.
  const locked = taker.token !== "0";
  // Jobs at the front of a priority have the same score: Redis takes them in the order of their ids.
  const order = from === STATE.prioritized ? "score, id" : "score";
  const row = store.tuple(
    `UPDATE job SET state = ${STATE.active}, score = ?1, processed_at = ?1, attempts_started = attempts_started + 1,
       worker = coalesce(?2, worker), token = ?3, locked_until = ?4, owner = ?5, stall_limit = ?6, stall_mark = 0
     WHERE key = (SELECT key FROM job WHERE queue = ?7 AND state = ?8 ORDER BY ${order} LIMIT 1)
     RETURNING ${COLUMNS}`,
    store.now,
    taker.name,
    locked ? taker.token : null,
    // The lock counts from the taking, however long the call had to wait.
    locked ? store.lockNow + taker.lockDuration : null,
    store.owner,
    taker.maxStalledCount,
    queue.key,
    from,
  );
  if (row !== undefined) store.count(queue, from, STATE.active);
  return row;
}

/** Counts the jobs of each state again. */
function recount(store: Store, queue: QueueRecord): void {
  queue.counts.splice(0, Infinity, ...store.countStates(queue.key));
  queue.nextDelayed = undefined;
  store.touch(queue);
}

/** How many jobs may start in a window: the queue's own limit, else the worker's. */
function maxOf(queue: QueueRecord, taker: Taker): number | undefined {
  const max = queue.meta["max"];
  return max === undefined ? taker.limiter?.max : Number(max);
}

/** How long no job may be taken, in milliseconds. */
export function limitedFor(store: Store, queue: QueueRecord, max: number | undefined): number {
  if (max === undefined || queue.limiterUntil <= store.spanNow || queue.limiterCount < max)
    return 0;
  return queue.limiterUntil - store.spanNow;
}

function countForLimit(store: Store, queue: QueueRecord, taker: Taker): void {
  if (queue.limiterUntil <= store.spanNow) {
    const duration = taker.limiter?.duration ?? Number(queue.meta["duration"] ?? 0);
    queue.limiterCount = 0;
    queue.limiterUntil = store.spanNow + Math.floor(Math.abs(duration));
  }
  queue.limiterCount += 1;
  store.touch(queue);
}
