import type { SQLOutputValue } from "node:sqlite";

import type { QueueRecord } from "./queue-record.ts";
import { STATE, type State } from "./states.ts";
import type { Store } from "./store.ts";

/** Data of more characters than this is not kept in the job's row, which each change of state rewrites. */
const LARGE_DATA = 2_000;

/** What the operations look at in a job. */
export interface JobHead {
  readonly key: number;
  readonly id: string;
  readonly state: State;
  readonly score: number;
  readonly delay: number;
  readonly priority: number;
  readonly attempts_made: number;
  readonly token: string | null;
  readonly locked_until: number | null;
  readonly parent_key: string | null;
  readonly parent: string | null;
  readonly scheduler: string | null;
  readonly deduplication: string | null;
  readonly returnvalue: string | null;
  readonly blockers: number;
}

const HEAD = `key, id, state, score, delay, priority, attempts_made, token, locked_until, parent_key, parent,
  scheduler, deduplication, returnvalue, blockers`;

/** A job as it travels to the main thread: the columns of {@link COLUMNS} in their order. */
export type JobTuple = readonly SQLOutputValue[];

/** The columns of a {@link JobTuple}; job-json.ts reads them by position. */
export const COLUMNS = `id, name, coalesce(data, (SELECT data FROM payload WHERE payload.job = job.key)) AS data, opts,
  progress, attempts_made, attempts_started, finished_at, processed_at, added_at, delay, priority, failed_reason,
  stacktrace, returnvalue, parent, parent_key, scheduler, deduplication, deferred_failure, worker, stalled`;

export function findJob(store: Store, queue: QueueRecord, id: string): JobHead | undefined {
  return store.get<JobHead>(`SELECT ${HEAD} FROM job WHERE queue = ? AND id = ?`, queue.key, id);
}

export function jobExists(store: Store, queue: QueueRecord | undefined, id: string): boolean {
  return (
    queue !== undefined &&
    store.get("SELECT 1 FROM job WHERE queue = ? AND id = ?", queue.key, id) !== undefined
  );
}

/** A job found by the key of a flow, `prefix:queue:id`, with its queue. */
export function findByFlowKey(
  store: Store,
  key: string,
): { queue: QueueRecord; job: JobHead } | undefined {
  // The name of a queue has no colon, but prefixes and ids may: the queue that exists decides.
  for (let at = key.indexOf(":"); at !== -1; at = key.indexOf(":", at + 1)) {
    const queue = store.findQueue(key.slice(0, at));
    if (queue === undefined) continue;
    const job = findJob(store, queue, key.slice(at + 1));
    if (job !== undefined) return { queue, job };
  }
  return undefined;
}

/** What a new job brings. */
export interface NewJob {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly data: string;
  /** JSON. */
  readonly opts: string;
  readonly addedAt: number;
  readonly delay: number;
  readonly priority: number;
  readonly lifo: boolean;
  readonly parentKey: string | null;
  /** JSON of BullMQ's `ParentKeys`. */
  readonly parent: string | null;
  readonly scheduler: string | null;
  readonly deduplication: string | null;
}

/** Stores a job in a state. The caller emits what follows from it. */
export function insertJob(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  state: State,
  score: number,
): number {
  const large = job.data.length > LARGE_DATA;
  const key = store.insert(
    `INSERT INTO job (queue, id, state, score, name, data, opts, added_at, delay, priority, parent_key, parent,
       scheduler, deduplication, whose) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    queue.key,
    job.id,
    state,
    score,
    job.name,
    large ? null : job.data,
    job.opts,
    job.addedAt,
    job.delay,
    job.priority,
    job.parentKey,
    job.parent,
    job.scheduler,
    job.deduplication,
    whoseOf(job.data),
  );
  if (large) store.run("INSERT INTO payload (job, data) VALUES (?, ?)", key, job.data);
  store.count(queue, undefined, state);
  store.emit(queue, "added", "jobId", job.id, "name", job.name);
  return key;
}

/** Data begins so when newel/jobs says whose run it is (jobs/stored.ts). */
const BY = /^\{"v":1,"by":("(?:[^"\\]|\\.)*")/;

function whoseOf(data: string): string | null {
  const by = BY.exec(data)?.[1];
  return by === undefined ? null : (JSON.parse(by) as string);
}

/** Replaces the data of a job. */
export function storeData(store: Store, key: number, data: string): void {
  const large = data.length > LARGE_DATA;
  store.run("UPDATE job SET data = ? WHERE key = ?", large ? null : data, key);
  if (large) store.run("REPLACE INTO payload (job, data) VALUES (?, ?)", key, data);
  else store.run("DELETE FROM payload WHERE job = ?", key);
}

/** Moves a job to another state; its lock, if it has one, goes. */
export function moveJob(
  store: Store,
  queue: QueueRecord,
  job: Pick<JobHead, "key" | "state">,
  state: State,
  score: number,
): void {
  store.run(
    `UPDATE job SET state = ?, score = ?, token = NULL, locked_until = NULL, owner = NULL, stall_mark = 0
     WHERE key = ?`,
    state,
    score,
    job.key,
  );
  store.count(queue, job.state, state);
}

/** Removes a job with all that belongs to it. */
export function deleteJob(
  store: Store,
  queue: QueueRecord,
  job: Pick<JobHead, "key" | "state">,
): void {
  const { key } = job;
  store.run("DELETE FROM job WHERE key = ?", key);
  store.run("DELETE FROM payload WHERE job = ?", key);
  store.run("DELETE FROM log WHERE job = ?", key);
  store.run("DELETE FROM dependency WHERE parent = ?", key);
  store.count(queue, job.state, undefined);
}

/** The place at the end of the line. */
export function lastPlace(queue: QueueRecord): number {
  queue.tail += 1;
  return queue.tail;
}

/** The place at the front of the line. */
export function firstPlace(queue: QueueRecord): number {
  const place = queue.head;
  queue.head -= 1;
  return place;
}

const PRIORITY_STEP = 0x1_0000_0000;

/** The score of a prioritized job: after those of its priority. */
export function priorityScore(queue: QueueRecord, priority: number): number {
  queue.lastPriority += 1;
  return priority * PRIORITY_STEP + (queue.lastPriority % PRIORITY_STEP);
}

/** The score of a prioritized job that goes before those of its priority. */
export function frontPriorityScore(priority: number): number {
  return priority * PRIORITY_STEP;
}

/** How many scores a millisecond has: jobs due in the same one stay in order. */
export const SCORES_PER_MS = 0x1000;

/** The score of a job due at a time: after those due in the same millisecond. */
export function delayedScore(store: Store, queue: QueueRecord, dueAt: number): number {
  const lowest = dueAt * SCORES_PER_MS;
  const highest = lowest + SCORES_PER_MS - 1;
  const last = store.get<{ last: number | null }>(
    "SELECT max(score) AS last FROM job WHERE queue = ? AND state = ? AND score BETWEEN ? AND ?",
    queue.key,
    STATE.delayed,
    lowest,
    highest,
  )?.last;
  return last === null || last === undefined ? lowest : Math.min(last + 1, highest);
}

/** When the next delayed job is due, milliseconds; `Infinity` when none is delayed. */
export function nextDue(store: Store, queue: QueueRecord): number {
  if (queue.counts[STATE.delayed] === 0) return Infinity;
  queue.nextDelayed ??=
    store.get<{ first: number | null }>(
      "SELECT min(score) AS first FROM job WHERE queue = ? AND state = ?",
      queue.key,
      STATE.delayed,
    )?.first ?? Infinity;
  return Math.floor(queue.nextDelayed / SCORES_PER_MS);
}
