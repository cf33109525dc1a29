import { CODE } from "../codes.ts";
import { deleteJob, findJob, type JobHead } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { CHILD, STATE, STATE_NAMES } from "../states.ts";
import type { Store } from "../store.ts";
import { freeOnRemoval } from "./deduplicate.ts";
import { detachFromParent, type Placed } from "./flow.ts";
import { isLocked } from "./locks.ts";

/**
 * Removes a job without an event.
 *
 * @param options.hard - a parent that waited only for this job is removed too, if it is in the same queue
 */
export function removeJob(
  store: Store,
  queue: QueueRecord,
  job: JobHead,
  options: { readonly hard: boolean; readonly freeDeduplication: boolean },
): void {
  const remove = (store: Store, parent: Placed): void => deleteJob(store, parent.queue, parent.job);
  if (job.parent_key !== null)
    detachFromParent(store, { queue, job }, undefined, options.hard ? { remove } : undefined);
  if (options.freeDeduplication) freeOnRemoval(store, queue, job);
  deleteJob(store, queue, job);
}

/** Removes a job at the user's request. @returns 1, 0 when it or a child is locked, or an error code */
export function removeById(
  store: Store,
  queue: QueueRecord,
  id: string,
  removeChildren: boolean,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return 1;
  if (isNextOfScheduler(store, queue, job)) return CODE.jobBelongsToJobScheduler;
  if (isLockedWithChildren(store, job, removeChildren)) return 0;
  removeTree(store, { queue, job }, { removeChildren, onlyUnprocessed: false });
  return 1;
}

/** Removes the children of a job that are neither finished nor locked. */
export function removeUnprocessedChildren(store: Store, queue: QueueRecord, id: string): void {
  const job = findJob(store, queue, id);
  if (job === undefined) return;
  for (const child of childrenOf(store, job, true))
    removeTree(store, child, { removeChildren: true, onlyUnprocessed: true });
}

function removeTree(
  store: Store,
  { queue, job }: Placed,
  options: { readonly removeChildren: boolean; readonly onlyUnprocessed: boolean },
): void {
  if (options.onlyUnprocessed && (isLocked(store, job) || job.state === STATE.failed)) return;
  if (job.parent_key !== null) detachFromParent(store, { queue, job });
  if (options.removeChildren)
    for (const child of childrenOf(store, job, options.onlyUnprocessed))
      removeTree(store, child, options);
  // Removing the children may have moved the job, so it is read again.
  const current = findJob(store, queue, job.id);
  if (current === undefined) return;
  freeOnRemoval(store, queue, current);
  deleteJob(store, queue, current);
  const previous = STATE_NAMES[current.state] ?? "unknown";
  store.emit(queue, "removed", "jobId", job.id, "prev", previous === "waiting" ? "wait" : previous);
}

function childrenOf(store: Store, parent: JobHead, onlyPending: boolean): Placed[] {
  const rows = store.all<{ queue: number; id: string }>(
    `SELECT queue, id FROM dependency WHERE parent = ? AND kind <= ?`,
    parent.key,
    onlyPending ? CHILD.pending : CHILD.failed,
  );
  return rows.flatMap(({ queue: key, id }) => {
    const queue = store.queueByKey(key);
    const job = queue === undefined ? undefined : findJob(store, queue, id);
    return queue === undefined || job === undefined ? [] : [{ queue, job }];
  });
}

function isLockedWithChildren(store: Store, job: JobHead, withChildren: boolean): boolean {
  if (isLocked(store, job)) return true;
  return (
    withChildren &&
    childrenOf(store, job, true).some((child) => isLockedWithChildren(store, child.job, true))
  );
}

/** Whether a job is the one that its scheduler made for its next time. */
export function isNextOfScheduler(store: Store, queue: QueueRecord, job: JobHead): boolean {
  if (job.scheduler === null) return false;
  const next = store.get<{ next: number }>(
    "SELECT next FROM scheduler WHERE queue = ? AND id = ?",
    queue.key,
    job.scheduler,
  )?.next;
  return next !== undefined && job.id === `repeat:${job.scheduler}:${next}`;
}
