import type { SQLOutputValue } from "node:sqlite";

import { parseStored } from "../stored-json.ts";
import type { QueueRecord } from "./queue-record.ts";
import { STATE, type State } from "./states.ts";
import type { Store } from "./store.ts";

/** Longer data, in characters, is stored outside the job's row, because each change of state rewrites the row. */
const LARGE_DATA = 2_000;

/** The fields of a job that the operations read. */
export interface JobHead {
  readonly key: number;
  readonly id: string;
  readonly state: State;
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

/** The columns of a {@link JobHead}, without the score, which may exceed JavaScript's safe integers. */
export const HEAD = `key, id, state, delay, priority, attempts_made, token, locked_until, parent_key, parent,
  scheduler, deduplication, returnvalue, blockers`;

/** The form in which a job is sent to the main thread: the columns of {@link COLUMNS} in their order. */
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
  // The name of a queue has no colon, but prefixes and ids may: the split that names an existing queue is taken.
  for (let at = key.indexOf(":"); at !== -1; at = key.indexOf(":", at + 1)) {
    const queue = store.findQueue(key.slice(0, at));
    if (queue === undefined) continue;
    const job = findJob(store, queue, key.slice(at + 1));
    if (job !== undefined) return { queue, job };
  }
  return undefined;
}

/** The fields of a new job. */
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

/** Stores a job in a state. The caller emits the events. */
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

/** The beginning of data that names an owner, as newel/jobs writes it (jobs/stored.ts). */
const BY = /^\{"v":1,"by":("(?:[^"\\]|\\.)*")/;

function whoseOf(data: string): string | null {
  const by = BY.exec(data)?.[1];
  const value = parseStored(by)?.value;
  return typeof value === "string" ? value : null;
}

/** Replaces the data of a job. */
export function storeData(store: Store, key: number, data: string): void {
  const large = data.length > LARGE_DATA;
  store.run("UPDATE job SET data = ? WHERE key = ?", large ? null : data, key);
  if (large) store.run("REPLACE INTO payload (job, data) VALUES (?, ?)", key, data);
  else store.run("DELETE FROM payload WHERE job = ?", key);
}

/** Moves a job to another state and removes its lock. */
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

/** Removes a job with its logs, children records and other rows. */
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

/** The position at the end of the waiting list. */
export function lastPlace(queue: QueueRecord): number {
  queue.tail += 1;
  return queue.tail;
}

/** The position at the front of the waiting list. */
export function firstPlace(queue: QueueRecord): number {
  const place = queue.head;
  queue.head -= 1;
  return place;
}

const PRIORITY_STEP = 0x1_0000_0000;

/** The score of a prioritized job: after the others of its priority. */
export function priorityScore(queue: QueueRecord, priority: number): number {
  queue.lastPriority += 1;
  return frontPriorityScore(priority) + (queue.lastPriority % PRIORITY_STEP);
}

/** The score of a prioritized job that goes before the others of its priority. */
export function frontPriorityScore(priority: number): number {
  return Math.min(LARGEST_PRIORITY, Math.max(-LARGEST_PRIORITY, priority)) * PRIORITY_STEP;
}

/** Priorities above BullMQ's limit come only from `changePriority`; all priorities above this are sorted last. */
const LARGEST_PRIORITY = 2 ** 30;

/** The number of scores in a millisecond, so that jobs due in the same millisecond stay in order. */
const SCORES_PER_MS = 0x1000;

/** Jobs that are due later than in the year 73,000 are sorted as if due then: SQLite's integers end at 2^63. */
const LAST_SORTED = 2 ** 51 - 1;

/**
 * The lowest score of a time. Scores after the year 2039 are above 2^53: SQLite compares them exactly, but JavaScript
 * reads them as REAL, to a few of the scores that a millisecond has.
 */
export function scoreOfTime(time: number): number {
  return Math.min(LAST_SORTED, Math.max(0, time)) * SCORES_PER_MS;
}

/** The score of a job due at a time: after those due in the same millisecond. */
export function delayedScore(store: Store, queue: QueueRecord, dueAt: number): number {
  const lowest = scoreOfTime(dueAt);
  const highest = lowest + SCORES_PER_MS - 1;
  const last = store.get<{ last: number | null }>(
    `SELECT CAST(max(score) AS REAL) AS last FROM job
     WHERE queue = ? AND state = ? AND score BETWEEN ? AND ?`,
    queue.key,
    STATE.delayed,
    lowest,
    highest,
  )?.last;
  return last === null || last === undefined ? lowest : Math.min(last + 1, highest);
}

/** When the next delayed job is due, in milliseconds since 1970; `Infinity` when none is delayed. */
export function nextDue(store: Store, queue: QueueRecord): number {
  if (queue.counts[STATE.delayed] === 0) return Infinity;
  queue.nextDelayed ??=
    store.get<{ first: number | null }>(
      "SELECT CAST(min(score) AS REAL) AS first FROM job WHERE queue = ? AND state = ?",
      queue.key,
      STATE.delayed,
    )?.first ?? Infinity;
  return Math.floor(queue.nextDelayed / SCORES_PER_MS);
}
