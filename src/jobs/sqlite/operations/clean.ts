import type { JobHead } from "../job-rows.ts";
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
    `SELECT * FROM job WHERE queue = ? AND state = ? AND score <= ? ORDER BY score, key LIMIT ?`,
    queue.key,
    state,
    finished ? until : Number.MAX_SAFE_INTEGER,
    limit > 0 ? limit : -1,
  );
  const ids: string[] = [];
  for (const job of jobs) {
    const at = job.finished_at ?? job.processed_at ?? job.added_at;
    if (!finished && at > until) continue;
    if (state === STATE.active && isLocked(store, job)) continue;
    if (!finished && isNextOfScheduler(store, queue, job)) continue;
    removeJob(store, queue, job, REMOVED);
    ids.push(job.id);
  }
  return ids;
}

/** Removes all jobs that wait, and those that are delayed if asked, but what schedulers made. */
export function drain(store: Store, queue: QueueRecord, delayed: boolean): void {
  const states = delayed
    ? [STATE.wait, STATE.prioritized, STATE.delayed]
    : [STATE.wait, STATE.prioritized];
  for (const state of states)
    for (const job of jobsIn(store, queue, state, -1))
      if (!isNextOfScheduler(store, queue, job)) removeJob(store, queue, job, REMOVED);
}

function jobsIn(store: Store, queue: QueueRecord, state: State, limit: number): JobHead[] {
  return store.all<JobHead>(
    "SELECT * FROM job WHERE queue = ? AND state = ? ORDER BY score, key LIMIT ?",
    queue.key,
    state,
    limit,
  );
}

/** What keeps a queue from being obliterated. */
const OBLITERATE = { done: 0, more: 1, notPaused: -1, activeJobs: -2 } as const;

/** Removes a paused queue with all it has, at most `count` things at once. */
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
  store.run("DELETE FROM queue WHERE key = ?", queue.key);
  store.dropQueue(queue);
  return OBLITERATE.done;
}

/** Stops jobs from being taken, or lets them be taken again. */
export function pause(store: Store, queue: QueueRecord, paused: boolean): void {
  if (paused) queue.meta["paused"] = "1";
  else delete queue.meta["paused"];
  store.emit(queue, paused ? "paused" : "resumed");
}
