import { firstPlace, type JobHead, moveJob } from "../job-rows.ts";
import { countOf, type QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { isLocked } from "./locks.ts";

/** BullMQ's words for a job that stalled too often: they become its failedReason. */
const STALLED_TOO_OFTEN = "job stalled more than allowable limit";

/**
 * Puts jobs back to the front that were found without a lock twice, an interval apart.
 *
 * @returns their ids; none when another worker looked within the interval
 */
export function recoverStalled(
  store: Store,
  queue: QueueRecord,
  maxStalledCount: number,
  intervalMs: number,
): string[] {
  if (queue.stalledCheck > store.now) return [];
  queue.stalledCheck = store.now + intervalMs;
  store.touch(queue);
  const stalled = store
    .all<JobHead>(
      `SELECT * FROM job WHERE queue = ? AND state = ${STATE.active} AND stall_mark = 1`,
      queue.key,
    )
    .filter((job) => !isLocked(store, job));
  for (const job of stalled) recoverJob(store, queue, job, maxStalledCount);
  store.run(`UPDATE job SET stall_mark = 1 WHERE queue = ? AND state = ${STATE.active}`, queue.key);
  return stalled.map(({ id }) => id);
}

/** The answer to {@link recoverStalled} when there is nothing to do; `null` when it has to be asked. */
export function peekStalled(store: Store, queue: QueueRecord): string[] | null {
  return countOf(queue, STATE.active) === 0 || queue.stalledCheck > store.now ? [] : null;
}

/** Puts back what a process had taken that is no more. @returns how many jobs of which queues */
export function recoverOwner(store: Store, owner: number): Map<QueueRecord, string[]> {
  const jobs = store.all<JobHead & { readonly queue: number; readonly stall_limit: number | null }>(
    `SELECT job.* FROM queue JOIN job ON job.queue = queue.key AND job.state = ${STATE.active}
     WHERE job.owner = ?`,
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

/** A job of a scheduler is never given up: its time comes again anyway. */
function hasScheduler(store: Store, queue: QueueRecord, job: JobHead): boolean {
  return (
    job.scheduler !== null &&
    store.get("SELECT 1 FROM scheduler WHERE queue = ? AND id = ?", queue.key, job.scheduler) !==
      undefined
  );
}
