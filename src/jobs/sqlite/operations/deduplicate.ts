import type { DeduplicationOptions } from "bullmq";

import { storedObject } from "../../stored-json.ts";
import { deleteJob, findJob, type JobHead, jobExists, type NewJob } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { makeDelayed, storeAndEnqueue } from "./placing.ts";

/** The job that holds a deduplication id, so that others with it are not added. */
interface Holder {
  readonly job: string;
  /** When the hold ends, by {@link Store.spanNow}; `null` when it ends with the job. */
  readonly until: number | null;
  readonly next: string | null;
}

/**
 * Decides whether another job with its deduplication id keeps a new job out.
 *
 * @param mayReplace - `false` for a parent of a flow, which replaces no job
 * @returns the id of the job that keeps it out
 */
export function deduplicate(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  options: DeduplicationOptions,
  mayReplace: boolean,
): string | undefined {
  const holder = holderOf(store, queue, options.id);
  if (holder === undefined) {
    hold(store, queue, options, job.id);
    return undefined;
  }
  if (mayReplace && options.replace === true) return replace(store, queue, job, options, holder);
  const kept = keepOut(store, queue, job, options, holder);
  if (kept !== undefined && mayReplace && options.reschedule === true)
    reschedule(store, queue, kept, job);
  return kept;
}

/** The job that holds a deduplication id now. */
export function holderOf(store: Store, queue: QueueRecord, id: string): Holder | undefined {
  const holder = store.get<Holder>(
    "SELECT job, until, next FROM deduplication WHERE queue = ? AND id = ?",
    queue.key,
    id,
  );
  return holder?.until === undefined || holder.until === null || holder.until > store.spanNow
    ? holder
    : undefined;
}

/**
 * Gives a job that is in the store already the deduplication id, until it is finished, unless another job holds it.
 *
 * @returns the id of the job that holds it then
 */
export function claimDeduplication(
  store: Store,
  queue: QueueRecord,
  id: string,
  jobId: string,
): string {
  const job = findJob(store, queue, jobId);
  const holder = holderOf(store, queue, id);
  if (job === undefined || (holder !== undefined && holder.job !== jobId))
    return holder?.job ?? jobId;
  if (holder === undefined) hold(store, queue, { id }, jobId);
  store.run("UPDATE job SET deduplication = ? WHERE key = ?", id, job.key);
  return jobId;
}

/** Removes a deduplication id, with the job that was stored to come next. */
export function dropDeduplication(store: Store, queue: QueueRecord, id: string): number {
  return store.run("DELETE FROM deduplication WHERE queue = ? AND id = ?", queue.key, id);
}

/** A job is removed: the next job of its deduplication id may be added. */
export function freeOnRemoval(store: Store, queue: QueueRecord, job: JobHead): void {
  if (job.deduplication === null) return;
  store.run(
    "DELETE FROM deduplication WHERE queue = ? AND id = ? AND job = ?",
    queue.key,
    job.deduplication,
    job.id,
  );
}

/** A job is finished: its id is free unless it is held for a time; a job that arrived in the meantime is added. */
export function freeOnFinish(store: Store, queue: QueueRecord, job: JobHead): void {
  if (job.deduplication === null) return;
  const row = store.get<Holder>(
    "SELECT job, until, next FROM deduplication WHERE queue = ? AND id = ?",
    queue.key,
    job.deduplication,
  );
  if (row === undefined) return;
  const over = row.until === null ? row.job === job.id : row.until <= store.spanNow;
  if (over) dropDeduplication(store, queue, job.deduplication);
  if (row.next !== null) addNext(store, queue, job.deduplication, row.next);
}

/** The stored fields of the job that is added when the active one is done. */
interface NextJob extends NewJob {
  readonly options: DeduplicationOptions;
}

function addNext(store: Store, queue: QueueRecord, id: string, json: string): void {
  queue.lastId += 1;
  dropDeduplication(store, queue, id);
  const next = readNext(json) ?? damagedNext(queue, id, json);
  hold(store, queue, next.options, next.id);
  const { options: _, ...job } = next;
  storeAndEnqueue(store, queue, { ...job, addedAt: store.now });
}

function readNext(json: string): NextJob | undefined {
  const next = storedObject(json) as Partial<NextJob> | undefined;
  if (next === undefined || typeof next.options?.id !== "string") return undefined;
  const texts = [next.id, next.name, next.data, next.opts];
  const numbers = [next.delay, next.priority];
  const isWhole =
    texts.every((text) => typeof text === "string") && numbers.every(Number.isInteger);
  if (!isWhole) return undefined;
  const { parentKey = null, parent = null, scheduler = null, deduplication = null } = next;
  return { ...(next as NextJob), parentKey, parent, scheduler, deduplication };
}

/** A damaged next job becomes a job with the damaged text as its data: it is listed, and fails when it is taken. */
function damagedNext(queue: QueueRecord, id: string, json: string): NextJob {
  const job = { id: String(queue.lastId), name: id, data: json, opts: "", options: { id } };
  const place = { addedAt: 0, delay: 0, priority: 0, lifo: false };
  return { ...job, ...place, parentKey: null, parent: null, scheduler: null, deduplication: id };
}

function hold(
  store: Store,
  queue: QueueRecord,
  options: DeduplicationOptions,
  job: string,
  until: number | null = ttlOf(options) === 0 ? null : store.spanNow + ttlOf(options),
): void {
  store.run(
    "REPLACE INTO deduplication (queue, id, job, until, next) VALUES (?, ?, ?, ?, NULL)",
    queue.key,
    options.id,
    job,
    options.keepLastIfActive === true ? null : until,
  );
}

function ttlOf(options: DeduplicationOptions): number {
  return options.ttl !== undefined && options.ttl > 0 ? options.ttl : 0;
}

/** A delayed holder is replaced by the new job; any other holder keeps it out. */
function replace(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  options: DeduplicationOptions,
  holder: Holder,
): string | undefined {
  const old = findJob(store, queue, holder.job);
  if (old?.state === STATE.delayed) {
    deleteJob(store, queue, old);
    store.emit(queue, "removed", "jobId", old.id, "prev", "delayed");
    tellDeduplicated(store, queue, job.id, options.id, old.id);
    const keepsTime = options.extend !== true && ttlOf(options) > 0;
    if (keepsTime) hold(store, queue, options, job.id, holder.until);
    else hold(store, queue, options, job.id);
    return undefined;
  }
  if (takeOverStale(store, queue, job, options, holder)) return undefined;
  storeNext(store, queue, job, options, holder, old);
  return holder.job;
}

function keepOut(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  options: DeduplicationOptions,
  holder: Holder,
): string | undefined {
  if (takeOverStale(store, queue, job, options, holder)) return undefined;
  const old = findJob(store, queue, holder.job);
  if (storeNext(store, queue, job, options, holder, old)) return holder.job;
  if (options.extend === true && ttlOf(options) > 0) hold(store, queue, options, holder.job);
  tellDeduplicated(store, queue, holder.job, options.id, job.id);
  return holder.job;
}

/** Whether the holder, which was to hold the id until it is finished, no longer exists. */
function takeOverStale(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  options: DeduplicationOptions,
  holder: Holder,
): boolean {
  if (holder.until !== null || jobExists(store, queue, holder.job)) return false;
  hold(store, queue, options, job.id);
  return true;
}

/** With `keepLastIfActive`, the last job that arrives while one is active is added when the active one is done. */
function storeNext(
  store: Store,
  queue: QueueRecord,
  job: NewJob,
  options: DeduplicationOptions,
  holder: Holder,
  old: JobHead | undefined,
): boolean {
  if (options.keepLastIfActive !== true || old?.state !== STATE.active) return false;
  const { id, name, data, opts, addedAt, delay, priority, lifo } = job;
  const { parentKey, parent, scheduler, deduplication } = job;
  const plain = { id, name, data, opts, addedAt, delay, priority, lifo };
  const next: NextJob = { ...plain, parentKey, parent, scheduler, deduplication, options };
  store.run(
    "UPDATE deduplication SET until = NULL, next = ? WHERE queue = ? AND id = ?",
    JSON.stringify(next),
    queue.key,
    options.id,
  );
  tellDeduplicated(store, queue, holder.job, options.id, job.id);
  return true;
}

function reschedule(store: Store, queue: QueueRecord, id: string, job: NewJob): void {
  const old = findJob(store, queue, id);
  if (old?.state !== STATE.delayed) return;
  store.run("UPDATE job SET delay = ? WHERE key = ?", job.delay, old.key);
  makeDelayed(store, queue, old, job.addedAt + job.delay);
}

function tellDeduplicated(
  store: Store,
  queue: QueueRecord,
  jobId: string,
  deduplicationId: string,
  deduplicatedJobId: string,
): void {
  store.emit(
    queue,
    "deduplicated",
    "jobId",
    jobId,
    "deduplicationId",
    deduplicationId,
    "deduplicatedJobId",
    deduplicatedJobId,
  );
}
