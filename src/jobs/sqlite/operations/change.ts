import { CODE } from "../codes.ts";
import {
  findByFlowKey,
  findJob,
  frontPriorityScore,
  HEAD,
  type JobHead,
  moveJob,
  storeData,
} from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE, type State } from "../states.ts";
import type { Store } from "../store.ts";
import { detachFromParent, reattachToParent } from "./flow.ts";
import { makeDelayed, makeReady, readyPlace } from "./placing.ts";

/** Changes of a job. Each operation returns 0 or an error code unless documented otherwise. */

export function promote(store: Store, queue: QueueRecord, id: string): number {
  const job = findJob(store, queue, id);
  if (job?.state !== STATE.delayed) return CODE.jobNotInState;
  store.run("UPDATE job SET delay = 0 WHERE key = ?", job.key);
  makeReady(store, queue, job, "last", "delayed");
  return 0;
}

export function changeDelay(store: Store, queue: QueueRecord, id: string, delay: number): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  if (job.state !== STATE.delayed) return CODE.jobNotInState;
  store.run("UPDATE job SET delay = ? WHERE key = ?", delay, job.key);
  makeDelayed(store, queue, job, store.now + Math.max(0, delay));
  return 0;
}

export function changePriority(
  store: Store,
  queue: QueueRecord,
  id: string,
  priority: number,
  lifo: boolean,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  if (job.state === STATE.wait || job.state === STATE.prioritized) {
    const [state, score] =
      priority !== 0 && lifo
        ? [STATE.prioritized, frontPriorityScore(priority)]
        : readyPlace(queue, priority, lifo ? "first" : "last");
    moveJob(store, queue, job, state, score);
  }
  store.run("UPDATE job SET priority = ? WHERE key = ?", priority, job.key);
  return 0;
}

export function updateData(store: Store, queue: QueueRecord, id: string, data: string): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  storeData(store, job.key, data);
  return 0;
}

export function updateProgress(
  store: Store,
  queue: QueueRecord,
  id: string,
  progress: string,
): number {
  const changed = store.run(
    "UPDATE job SET progress = ? WHERE queue = ? AND id = ?",
    progress,
    queue.key,
    id,
  );
  if (changed === 0) return CODE.jobNotExist;
  store.emit(queue, "progress", "jobId", id, "data", progress);
  return 0;
}

/** Runs a finished job again. @returns 1 or an error code */
export function retryFinished(
  store: Store,
  queue: QueueRecord,
  id: string,
  state: "completed" | "failed",
  options: {
    readonly lifo: boolean;
    readonly resetAttemptsMade: boolean;
    readonly resetAttemptsStarted: boolean;
  },
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  if (job.state !== STATE[state]) return CODE.jobNotInState;
  store.run(
    `UPDATE job SET finished_at = NULL, processed_at = NULL,
       returnvalue = CASE WHEN ?1 THEN NULL ELSE returnvalue END,
       failed_reason = CASE WHEN ?1 THEN failed_reason ELSE NULL END,
       attempts_made = CASE WHEN ?2 THEN 0 ELSE attempts_made END,
       attempts_started = CASE WHEN ?3 THEN 0 ELSE attempts_started END WHERE key = ?4`,
    state === "completed" ? 1 : 0,
    options.resetAttemptsMade ? 1 : 0,
    options.resetAttemptsStarted ? 1 : 0,
    job.key,
  );
  reattachToParent(store, { queue, job }, state);
  makeReady(store, queue, job, options.lifo ? "first" : "last", state);
  return 1;
}

/** Makes finished or delayed jobs ready, the oldest first. @returns 1 when there may be more, else 0 */
export function moveJobsToWait(
  store: Store,
  queue: QueueRecord,
  from: "completed" | "failed" | "delayed",
  count: number,
  until: number,
): number {
  const state: State = STATE[from];
  const jobs = store.all<JobHead>(
    `SELECT ${HEAD} FROM job WHERE queue = ? AND state = ? AND score <= ? ORDER BY score LIMIT ?`,
    queue.key,
    state,
    from === "delayed" ? Number.MAX_VALUE : until,
    count,
  );
  for (const job of jobs) {
    if (from !== "delayed") clearOutcome(store, queue, job, from);
    makeReady(store, queue, job, "last", from);
  }
  return jobs.length > 0 && jobs.length >= count ? 1 : 0;
}

function clearOutcome(
  store: Store,
  queue: QueueRecord,
  job: JobHead,
  from: "completed" | "failed",
): void {
  store.run(
    `UPDATE job SET finished_at = NULL, processed_at = NULL,
       returnvalue = CASE WHEN ?1 THEN NULL ELSE returnvalue END,
       failed_reason = CASE WHEN ?1 THEN failed_reason ELSE NULL END WHERE key = ?2`,
    from === "completed" ? 1 : 0,
    job.key,
  );
  reattachToParent(store, { queue, job }, from);
}

/** Detaches an unfinished child from its parent. @returns 0, 1 when the parent did not wait for it, or an error code */
export function removeChildDependency(
  store: Store,
  queue: QueueRecord,
  id: string,
  parentKey: string,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  const parent = findByFlowKey(store, parentKey);
  if (parent === undefined) return CODE.parentJobNotExist;
  if (!detachFromParent(store, { queue, job }, parent)) return 1;
  store.run("UPDATE job SET parent_key = NULL, parent = NULL WHERE key = ?", job.key);
  return 0;
}

/** Appends a line to a job's log. @returns the number of its lines, or an error code */
export function addLog(
  store: Store,
  queue: QueueRecord,
  id: string,
  line: string,
  keep: number,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  const { first, last } = logRange(store, job.key);
  store.run("INSERT INTO log (job, number, line) VALUES (?, ?, ?)", job.key, last + 1, line);
  if (keep <= 0) return last + 1 - first + 1;
  store.run("DELETE FROM log WHERE job = ? AND number <= ?", job.key, last + 1 - keep);
  return Math.min(keep, last + 1 - first + 1);
}

/** The numbers of a job's lines; `last < first` when it has none. */
export function logRange(store: Store, key: number): { first: number; last: number } {
  const row = store.get<{ first: number | null; last: number | null }>(
    `SELECT (SELECT number FROM log WHERE job = ?1 ORDER BY number LIMIT 1) AS first,
       (SELECT number FROM log WHERE job = ?1 ORDER BY number DESC LIMIT 1) AS last`,
    key,
  );
  return { first: row?.first ?? 1, last: row?.last ?? 0 };
}

export function clearLogs(store: Store, queue: QueueRecord, id: string, keep: number): void {
  const job = findJob(store, queue, id);
  if (job === undefined) return;
  const { last } = logRange(store, job.key);
  store.run(
    "DELETE FROM log WHERE job = ? AND number <= ?",
    job.key,
    keep > 0 ? last - keep : last,
  );
}
