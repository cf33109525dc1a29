import {
  delayedScore,
  firstPlace,
  frontPriorityScore,
  insertJob,
  type JobHead,
  lastPlace,
  moveJob,
  type NewJob,
  priorityScore,
  scoreOfTime,
} from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";

/** The end of the waiting list at which a ready job is put. */
export type End = "last" | "first";

/** Stores a new job in the state that its options ask for: delayed, prioritized or waiting. */
export function storeAndEnqueue(store: Store, queue: QueueRecord, job: NewJob): void {
  if (job.delay > 0) {
    const dueAt = job.addedAt + job.delay;
    insertJob(store, queue, job, STATE.delayed, delayedScore(store, queue, dueAt));
    store.emit(queue, "delayed", "jobId", job.id, "delay", String(dueAt));
    return;
  }
  const [state, score] = readyPlace(queue, job.priority, job.lifo ? "first" : "last");
  insertJob(store, queue, job, state, score);
  store.emit(queue, "waiting", "jobId", job.id);
}

/** State and score of a job that is ready to be taken. */
export function readyPlace(
  queue: QueueRecord,
  priority: number,
  end: End,
): [typeof STATE.wait | typeof STATE.prioritized, number] {
  if (priority !== 0) return [STATE.prioritized, priorityScore(queue, priority)];
  return [STATE.wait, end === "first" ? firstPlace(queue) : lastPlace(queue)];
}

/** Makes a job ready to be taken, and emits the event. */
export function makeReady(
  store: Store,
  queue: QueueRecord,
  job: JobHead,
  end: End,
  previous: string,
): void {
  const [state, score] = readyPlace(queue, job.priority, end);
  moveJob(store, queue, job, state, score);
  store.emit(queue, "waiting", "jobId", job.id, "prev", previous);
}

/** Requeues an active job before all others of its priority, and emits the event. */
export function pushBack(store: Store, queue: QueueRecord, job: JobHead): void {
  if (job.priority !== 0)
    moveJob(store, queue, job, STATE.prioritized, frontPriorityScore(job.priority));
  else moveJob(store, queue, job, STATE.wait, firstPlace(queue));
  store.emit(queue, "waiting", "jobId", job.id, "prev", "active");
}

/** Delays a job until a time, and emits the event. */
export function makeDelayed(store: Store, queue: QueueRecord, job: JobHead, dueAt: number): void {
  // The job leaves its old position first, so that it is not counted as its own predecessor.
  store.run("UPDATE job SET score = 0 WHERE key = ?", job.key);
  moveJob(store, queue, job, STATE.delayed, delayedScore(store, queue, dueAt));
  store.emit(queue, "delayed", "jobId", job.id, "delay", String(dueAt));
}

const PROMOTED_AT_ONCE = 1_000;

/** Makes due delayed jobs ready, a thousand at once. */
export function promoteDue(store: Store, queue: QueueRecord): void {
  const due = store.all<{ key: number; id: string; priority: number }>(
    `SELECT key, id, priority FROM job WHERE queue = ? AND state = ? AND score < ?
     ORDER BY score LIMIT ${PROMOTED_AT_ONCE}`,
    queue.key,
    STATE.delayed,
    scoreOfTime(store.now + 1),
  );
  for (const { key, id, priority } of due) {
    const [state, score] = readyPlace(queue, priority, "last");
    store.run("UPDATE job SET state = ?, score = ?, delay = 0 WHERE key = ?", state, score, key);
    store.count(queue, STATE.delayed, state);
    store.emit(queue, "waiting", "jobId", id, "prev", "delayed");
  }
}
