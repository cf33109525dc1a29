import { HEAD, type JobHead } from "../job-rows.ts";
import { countOf, type QueueRecord } from "../queue-record.ts";
import { LISTS, STATE, type State } from "../states.ts";
import type { Store } from "../store.ts";
import { isLocked } from "./locks.ts";
import { isNextOfScheduler, removeJob } from "./remove.ts";

interface TimedJob extends JobHead {
  readonly added_at: number;
  readonly processed_at: number | null;
  readonly finished_at: number | null;
}

const REMOVED = { hard: true, freeDeduplication: true } as const;

/**
 * Removes jobs of a state that are older than a time, the oldest first.
 *
 * @param limit - 0 for all
 * @returns their ids
 */
export function cleanJobs(
  store: Store,
  queue: QueueRecord,
  list: string,
  until: number,
  limit: number,
): string[] {
  const state = LISTS.get(list);
  const removed = state === undefined ? [] : cleanState(store, queue, state, until, limit);
  store.emit(queue, "cleaned", "count", String(removed.length));
  return removed;
}

function cleanState(
  store: Store,
  queue: QueueRecord,
  state: State,
  until: number,
  limit: number,
): string[] {
  const finished = state === STATE.completed || state === STATE.failed;
  const jobs = store.all<TimedJob>(
    `SELECT ${HEAD}, added_at, processed_at, finished_at FROM job
     WHERE queue = ? AND state = ? AND score <= ? ORDER BY score, key LIMIT ?`,
    queue.key,
    state,
    finished ? until : Number.MAX_VALUE,
    limit > 0 ? limit : -1,
  );
  const ids: string[] = [];
  // In the waiting list the newest job goes first, as on Redis: parents that waited for the jobs follow in that order.
  const inLine = state === STATE.wait || state === STATE.active;
  for (const job of inLine ? jobs.toReversed() : jobs) {
    // For a job with a priority only the time of its adding counts, as on Redis.
    const ended = state === STATE.prioritized ? null : (job.finished_at ?? job.processed_at);
    const at = ended ?? job.added_at;
    if (!finished && at > until) continue;
    if (state === STATE.active && isLocked(store, job)) continue;
    if (!finished && isNextOfScheduler(store, queue, job)) continue;
    removeJob(store, queue, job, REMOVED);
    ids.push(job.id);
  }
  return ids;
}

/** Removes all waiting jobs, and delayed ones if requested, except the jobs that schedulers made. */
export function drain(store: Store, queue: QueueRecord, delayed: boolean): void {
  const states = delayed
    ? [STATE.wait, STATE.delayed, STATE.prioritized]
    : [STATE.wait, STATE.prioritized];
  for (const state of states)
    for (const job of jobsIn(store, queue, state, -1))
      if (!isNextOfScheduler(store, queue, job)) removeJob(store, queue, job, REMOVED);
}

/** Jobs of a state; waiting ones newest first, so that their parents follow in the order that Redis gives them. */
function jobsIn(store: Store, queue: QueueRecord, state: State, limit: number): JobHead[] {
  const order =
    state === STATE.wait || state === STATE.active ? "score DESC, key DESC" : "score, key";
  return store.all<JobHead>(
    `SELECT ${HEAD} FROM job WHERE queue = ? AND state = ? ORDER BY ${order} LIMIT ?`,
    queue.key,
    state,
    limit,
  );
}

/** The reasons for which a queue cannot be obliterated. */
const OBLITERATE = { done: 0, more: 1, notPaused: -1, activeJobs: -2 } as const;

/** Removes a paused queue with its content, at most `count` rows at once. */
export function obliterate(
  store: Store,
  queue: QueueRecord,
  count: number,
  force: boolean,
): number {
  if (queue.meta["paused"] === undefined) return OBLITERATE.notPaused;
  if (countOf(queue, STATE.active) > 0 && !force) return OBLITERATE.activeJobs;
  let left = count;
  for (const state of [
    STATE.active,
    STATE.delayed,
    STATE.completed,
    STATE.wait,
    STATE.prioritized,
    STATE.failed,
    STATE.waitingChildren,
  ]) {
    for (const job of jobsIn(store, queue, state, left)) {
      removeJob(store, queue, job, REMOVED);
      left -= 1;
    }
    if (left <= 0) return OBLITERATE.more;
  }
  for (const table of ["scheduler", "deduplication", "metric", "event"])
    store.run(`DELETE FROM ${table} WHERE queue = ?`, queue.key);
  if (isKnownToParents(store, queue)) {
    startOver(queue);
    store.touch(queue);
    return OBLITERATE.done;
  }
  store.run("DELETE FROM queue WHERE key = ?", queue.key);
  store.dropQueue(queue);
  return OBLITERATE.done;
}

/** Whether parents in other queues have results of this queue's jobs: they refer to the queue by its row. */
function isKnownToParents(store: Store, queue: QueueRecord): boolean {
  return store.get("SELECT 1 FROM dependency WHERE queue = ? LIMIT 1", queue.key) !== undefined;
}

/** Resets a queue to its state before the first job. Event numbers continue, so that readers can continue. */
function startOver(queue: QueueRecord): void {
  for (const field of Object.keys(queue.meta)) delete queue.meta[field];
  queue.counts.fill(0);
  queue.pending.length = 0;
  queue.lastId = 0;
  queue.lastPriority = 0;
  queue.head = 0;
  queue.tail = 0;
  queue.events = 0;
  queue.limiterCount = 0;
  queue.limiterUntil = 0;
  queue.stalledCheck = 0;
  queue.nextDelayed = undefined;
}

/** Pauses or resumes a queue. */
export function pause(store: Store, queue: QueueRecord, paused: boolean): void {
  if (paused) queue.meta["paused"] = "1";
  else delete queue.meta["paused"];
  store.emit(queue, paused ? "paused" : "resumed");
}
