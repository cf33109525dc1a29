import { firstPlace, HEAD, type JobHead, moveJob } from "../job-rows.ts";
import { countOf, type QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { isLocked } from "./locks.ts";

/** BullMQ's text for a job that stalled too often; it becomes the job's failedReason. */
const STALLED_TOO_OFTEN = "job stalled more than allowable limit";

/**
 * Requeues jobs at the front that were found without a lock twice, an interval apart. A job whose owner is alive
 * but cannot write, because another program holds the file locked, is not one of them.
 *
 * @returns their ids; none when another worker checked within the interval
 */
export function recoverStalled(
  store: Store,
  queue: QueueRecord,
  maxStalledCount: number,
  intervalMs: number,
): string[] {
  if (!isDue(store, queue, intervalMs)) return [];
  queue.stalledCheck = store.lockNow + intervalMs;
  store.touch(queue);
  const stalled = store
    .all<JobHead & { readonly owner: number | null }>(
      `SELECT ${HEAD}, owner FROM job WHERE queue = ? AND state = ${STATE.active} AND stall_mark = 1`,
      queue.key,
    )
    .filter((job) => !isLocked(store, job) && !(job.owner !== null && store.isBlocked(job.owner)));
  for (const job of stalled) recoverJob(store, queue, job, maxStalledCount);
  store.run(`UPDATE job SET stall_mark = 1 WHERE queue = ? AND state = ${STATE.active}`, queue.key);
  return stalled.map(({ id }) => id);
}

/** The answer to {@link recoverStalled} when there is nothing to do; `null` when the operation has to run. */
export function peekStalled(
  store: Store,
  queue: QueueRecord,
  _maxStalledCount: number,
  intervalMs: number,
): string[] | null {
  return countOf(queue, STATE.active) === 0 || !isDue(store, queue, intervalMs) ? [] : null;
}

/** Whether the interval since the last check is over. A check in the future belongs to an earlier boot of the system. */
function isDue(store: Store, queue: QueueRecord, intervalMs: number): boolean {
  const inMs = queue.stalledCheck - store.lockNow;
  return inMs <= 0 || inMs > intervalMs;
}

/** Requeues the jobs of a dead process. @returns the number of jobs by queue */
export function recoverOwner(store: Store, owner: number): Map<QueueRecord, string[]> {
  const jobs = store.all<JobHead & { readonly queue: number; readonly stall_limit: number | null }>(
    `SELECT ${HEAD}, queue, stall_limit FROM job
     WHERE queue IN (SELECT key FROM queue) AND state = ${STATE.active} AND owner = ?`,
    owner,
  );
  const recovered = new Map<QueueRecord, string[]>();
  for (const job of jobs) {
    const queue = store.queueByKey(job.queue);
    if (queue === undefined) continue;
    recoverJob(store, queue, job, job.stall_limit ?? 1);
    const ids = recovered.get(queue) ?? [];
    ids.push(job.id);
    recovered.set(queue, ids);
  }
  return recovered;
}

function recoverJob(store: Store, queue: QueueRecord, job: JobHead, limit: number): void {
  const stalled =
    store.get<{ stalled: number }>(
      "UPDATE job SET stalled = stalled + 1 WHERE key = ? RETURNING stalled",
      job.key,
    )?.stalled ?? 0;
  if (stalled > limit && !hasScheduler(store, queue, job))
    store.run("UPDATE job SET deferred_failure = ? WHERE key = ?", STALLED_TOO_OFTEN, job.key);
  moveJob(store, queue, job, STATE.wait, firstPlace(queue));
  store.emit(queue, "waiting", "jobId", job.id, "prev", "active");
  store.emit(queue, "stalled", "jobId", job.id);
}

/** A job of a scheduler never fails for stalling, because its scheduler continues in any case. */
function hasScheduler(store: Store, queue: QueueRecord, job: JobHead): boolean {
  return (
    job.scheduler !== null &&
    store.get("SELECT 1 FROM scheduler WHERE queue = ? AND id = ?", queue.key, job.scheduler) !==
      undefined
  );
}
