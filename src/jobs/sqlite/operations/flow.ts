import { findByFlowKey, findJob, type JobHead, moveJob } from "../job-rows.ts";
import { storedObject } from "../../stored-json.ts";
import type { QueueRecord } from "../queue-record.ts";
import { CHILD, type Child, STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { makeDelayed, makeReady } from "./placing.ts";

/** A job with the queue it is in. */
export interface Placed {
  readonly queue: QueueRecord;
  readonly job: JobHead;
}

/** The parent of a job as BullMQ stores it: its key, and the effect that a failure of the child has on it. */
interface ParentReference {
  /** The id as the caller wrote it, which may be a number. */
  readonly id: string | number;
  readonly queueKey: string;
  readonly fpof?: boolean;
  readonly cpof?: boolean;
  readonly idof?: boolean;
  readonly rdof?: boolean;
}

/** The key of a job in a flow. */
function flowKey(queue: QueueRecord, id: string): string {
  return `${queue.name}:${id}`;
}

export function findParent(store: Store, job: JobHead): Placed | undefined {
  if (job.parent !== null) {
    const { id, queueKey } = referenceOf(job.parent);
    const queue = store.findQueue(String(queueKey));
    const found = queue === undefined ? undefined : findJob(store, queue, String(id));
    if (queue !== undefined && found !== undefined) return { queue, job: found };
  }
  return job.parent_key === null ? undefined : findByFlowKey(store, job.parent_key);
}

/** A damaged reference leaves the key of the parent, which fails with the child: it must not wait for ever. */
function referenceOf(json: string): Partial<ParentReference> {
  return storedObject(json) ?? { fpof: true };
}

interface DependencyRow {
  readonly kind: Child;
}

/** Counts the children of one kind that a parent has. */
export function countChildren(store: Store, parent: JobHead, kind: Child): number {
  return (
    store.get<{ count: number }>(
      "SELECT count(*) AS count FROM dependency WHERE parent = ? AND kind = ?",
      parent.key,
      kind,
    )?.count ?? 0
  );
}

/** Records a child, or its outcome, with its parent. */
export function setChild(
  store: Store,
  parent: JobHead,
  child: { readonly queue: QueueRecord; readonly id: string },
  kind: Child,
  value: string | null = null,
): void {
  const known = childKind(store, parent, child);
  store.run(
    "REPLACE INTO dependency (parent, queue, id, kind, value) VALUES (?, ?, ?, ?, ?)",
    parent.key,
    child.queue.key,
    child.id,
    kind,
    value,
  );
  changeBlockers(store, parent, blocks(kind) - (known === undefined ? 0 : blocks(known)));
}

/** The record of a child with its parent. */
function childKind(
  store: Store,
  parent: JobHead,
  child: { readonly queue: QueueRecord; readonly id: string },
): Child | undefined {
  return store.get<DependencyRow>(
    "SELECT kind FROM dependency WHERE parent = ? AND queue = ? AND id = ?",
    parent.key,
    child.queue.key,
    child.id,
  )?.kind;
}

function forgetChild(
  store: Store,
  parent: JobHead,
  child: { queue: QueueRecord; id: string },
): void {
  store.run(
    "DELETE FROM dependency WHERE parent = ? AND queue = ? AND id = ?",
    parent.key,
    child.queue.key,
    child.id,
  );
  changeBlockers(store, parent, -1);
}

function blocks(kind: Child): number {
  return kind === CHILD.pending || kind === CHILD.failed ? 1 : 0;
}

function changeBlockers(store: Store, parent: JobHead, by: number): void {
  if (by !== 0) store.run("UPDATE job SET blockers = blockers + ? WHERE key = ?", by, parent.key);
}

/** A child completed: its parent gets the value, and continues when it was the last one. */
export function childCompleted(
  store: Store,
  parent: Placed,
  child: { queue: QueueRecord; id: string },
  returnvalue: string,
): void {
  if (childKind(store, parent.job, child) !== CHILD.pending) return;
  setChild(store, parent.job, child, CHILD.processed, returnvalue);
  releaseIfNothingPending(store, parent);
}

/** A child failed for good: the child's options decide the effect on its parent. */
export function childFailed(store: Store, child: Placed, reason: string): void {
  if (child.job.parent === null) return;
  const means = referenceOf(child.job.parent);
  const parent = findParent(store, child.job);
  const known = { queue: child.queue, id: child.job.id };
  if (parent === undefined || childKind(store, parent.job, known) !== CHILD.pending) return;
  if (means.fpof === true) {
    setChild(store, parent.job, known, CHILD.failed);
    failParent(store, parent, flowKey(child.queue, child.job.id));
  } else if (means.cpof === true) {
    setChild(store, parent.job, known, CHILD.ignored, reason);
    releaseIfWaiting(store, parent);
  } else if (means.idof === true) {
    setChild(store, parent.job, known, CHILD.ignored, reason);
    releaseIfNothingPending(store, parent);
  } else if (means.rdof === true) {
    forgetChild(store, parent.job, known);
    releaseIfNothingPending(store, parent);
  }
}

/** The parent fails when it is taken next, which is at once if it was waiting for children or delayed. */
function failParent(store: Store, { queue, job }: Placed, childKey: string): void {
  if (job.state === STATE.failed) return;
  const wasDelayed = job.state === STATE.delayed;
  store.run(
    "UPDATE job SET deferred_failure = ?, delay = CASE WHEN ? THEN 0 ELSE delay END WHERE key = ?",
    `child ${childKey} failed`,
    wasDelayed ? 1 : 0,
    job.key,
  );
  if (wasDelayed || job.state === STATE.waitingChildren)
    release(store, { queue, job: wasDelayed ? { ...job, delay: 0 } : job });
}

/** Lets a parent continue when all of its children are done. */
export function releaseIfNothingPending(store: Store, parent: Placed): void {
  if (countChildren(store, parent.job, CHILD.pending) === 0) releaseIfWaiting(store, parent);
}

function releaseIfWaiting(store: Store, parent: Placed): void {
  if (parent.job.state === STATE.waitingChildren) release(store, parent);
}

function release(store: Store, { queue, job }: Placed): void {
  if (job.delay > 0) makeDelayed(store, queue, job, store.now + job.delay);
  else makeReady(store, queue, job, "first", "waiting-children");
}

/**
 * Detaches a removed child from its parent, which continues when this was the last pending child.
 *
 * @param hard - the parent is removed too, when it waited for no other child and is in the same queue
 * @returns whether the parent waited for the child
 */
export function detachFromParent(
  store: Store,
  child: Placed,
  parent: Placed | undefined = findParent(store, child.job),
  hard?: { readonly remove: (store: Store, parent: Placed) => void },
): boolean {
  const known = { queue: child.queue, id: child.job.id };
  if (parent === undefined || childKind(store, parent.job, known) !== CHILD.pending) return false;
  forgetChild(store, parent.job, known);
  if (countChildren(store, parent.job, CHILD.pending) > 0) return true;
  if (parent.job.state !== STATE.waitingChildren) return true;
  if (hard !== undefined && parent.queue === child.queue) {
    detachFromParent(store, parent, undefined, hard);
    hard.remove(store, parent);
    return true;
  }
  moveToFront(store, parent, hard === undefined);
  return true;
}

function moveToFront(store: Store, { queue, job }: Placed, tell: boolean): void {
  queue.head -= 1;
  moveJob(store, queue, job, STATE.wait, queue.head + 1);
  if (tell) store.emit(queue, "waiting", "jobId", job.id, "prev", "waiting-children");
}

/** A finished child runs again: its parent waits for it again, if it has not continued yet. */
export function reattachToParent(
  store: Store,
  child: Placed,
  finishedState: "completed" | "failed",
): void {
  const parent = findParent(store, child.job);
  if (parent === undefined) return;
  const known = { queue: child.queue, id: child.job.id };
  const kind = childKind(store, parent.job, known);
  const expected: readonly (Child | undefined)[] =
    finishedState === "failed" ? [CHILD.failed, CHILD.ignored] : [CHILD.processed];
  if (kind !== undefined && expected.includes(kind))
    setChild(store, parent.job, known, CHILD.pending);
}
