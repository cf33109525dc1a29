import { CODE } from "../codes.ts";
import { deleteJob, findJob, type JobHead, jobExists, type NewJob } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { storeAndEnqueue } from "./placing.ts";
import { removeJob } from "./remove.ts";
import { damagedFields, readFields, type SchedulerFields } from "./scheduler-fields.ts";

interface SchedulerRow {
  readonly next: number;
  readonly iterations: number;
  readonly fields: string;
}

/** The next job of a scheduler; fields that depend on its time are filled in here. */
export interface IterationRequest {
  /** Options without the fields that the store sets itself. */
  readonly opts: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly lifo: boolean;
  readonly deduplication: string | null;
}

/** How many times are tried when earlier jobs of the scheduler occupy them. */
const SLOTS_TRIED = 32;

/**
 * Makes or changes a scheduler and its next job. All is decided before the first write, so that an error leaves the
 * scheduler and its next job as they were.
 *
 * @returns the job's id and its delay, or an error code
 */
export function upsertScheduler(
  store: Store,
  queue: QueueRecord,
  id: string,
  nextMillis: number,
  fields: SchedulerFields,
  iteration: IterationRequest,
): [string, number] | number {
  const old = readScheduler(store, queue, id);
  const every = fields.every === undefined ? undefined : Number(fields.every);
  const plan = planNext(store, old, every, nextMillis, fields, iteration);
  const former = old === undefined ? undefined : pendingJob(store, queue, id, old.next);
  const keepsTime = former !== undefined && every !== undefined && !plan.everyChanged;
  const series: Series = { store, queue, id, every, old, former };
  const next = freeTime(series, keepsTime ? (old?.next ?? plan.next) : plan.next);
  if (next < 0) return next;
  if (former !== undefined) makeWay(store, queue, former);
  const earlier = findJob(store, queue, iterationId(id, next));
  if (earlier !== undefined) makeWay(store, queue, earlier);
  const offset = former === undefined ? (plan.offset ?? fields.offset) : fields.offset;
  const keptOffset = old === undefined ? undefined : readFields(old.fields)?.offset;
  writeScheduler(store, queue, id, next, old?.iterations ?? 1, {
    ...fields,
    ...((offset ?? keptOffset) === undefined ? {} : { offset: offset ?? keptOffset }),
  } as SchedulerFields);
  const delay = Math.max(0, next - store.now);
  const jobId = iterationId(id, next);
  addIteration(store, queue, id, jobId, delay, fields, iteration);
  return [jobId, delay];
}

/** A scheduler that is to get its next job. */
interface Series {
  readonly store: Store;
  readonly queue: QueueRecord;
  readonly id: string;
  /** Milliseconds, or `undefined` for a cron pattern. */
  readonly every: number | undefined;
  readonly old: SchedulerRow | undefined;
  /** The former next job, if it was not taken yet; the new one replaces it. */
  readonly former: JobHead | undefined;
}

/**
 * The time for the next job: the wanted one, unless an earlier job of the scheduler has it. With `every` a later slot
 * is free. With a pattern a job that ran ahead of its time (promoted, and ended) makes way; beside one that runs, or waits
 * to run again, the time that was planned before stays.
 *
 * @returns a time or an error code
 */
function freeTime({ store, queue, id, every, old, former }: Series, wanted: number): number {
  const holderOf = (time: number): JobHead | undefined => {
    const job = findJob(store, queue, iterationId(id, time));
    return job?.key === former?.key ? undefined : job;
  };
  if (every !== undefined) {
    for (let slot = 0; slot <= SLOTS_TRIED; slot += 1)
      if (holderOf(wanted + slot * every) === undefined) return wanted + slot * every;
    return CODE.schedulerJobSlotsBusy;
  }
  const holder = holderOf(wanted);
  if (holder === undefined) return wanted;
  if (old === undefined) return CODE.schedulerJobIdCollision;
  if (isEnded(holder)) return wanted;
  return former === undefined ? CODE.schedulerJobIdCollision : old.next;
}

function isEnded({ state }: JobHead): boolean {
  return state === STATE.completed || state === STATE.failed;
}

interface NextPlan {
  readonly next: number;
  readonly offset: string | undefined;
  readonly everyChanged: boolean;
}

function planNext(
  store: Store,
  old: SchedulerRow | undefined,
  every: number | undefined,
  nextMillis: number,
  fields: SchedulerFields,
  iteration: IterationRequest,
): NextPlan {
  const wanted = Number(fields.offset ?? offsetOf(iteration.opts));
  if (every === undefined) return { next: nextMillis, offset: String(wanted), everyChanged: false };
  const everyChanged = old !== undefined && Number(readFields(old.fields)?.every) !== every;
  const startDate = fields.startDate === undefined ? undefined : Number(fields.startDate);
  const previous = old === undefined || everyChanged ? undefined : old.next;
  const slot = nextSlot(previous, every, store.now, wanted, startDate);
  return { next: slot.next, offset: String(slot.offset), everyChanged };
}

/** After a job of a scheduler was taken: makes the next one. @returns its id, or `null` */
export function advanceScheduler(
  store: Store,
  queue: QueueRecord,
  id: string,
  nextMillis: number,
  producerId: string,
  iteration: IterationRequest,
): string | null {
  const scheduler = readScheduler(store, queue, id);
  if (scheduler === undefined) return null;
  const fields = readFields(scheduler.fields);
  // A damaged scheduler is listed as such, and continues when it is replaced.
  if (fields === undefined) return null;
  const every = Number(fields.every ?? repeatOf(iteration.opts)["every"] ?? 0);
  const offset = Number(fields.offset ?? offsetOf(iteration.opts));
  const next =
    every > 0 ? nextSlot(scheduler.next, every, store.now, offset, undefined).next : nextMillis;
  // Only the job of the current time makes the next one; a job that runs again does not.
  if (producerId !== iterationId(id, scheduler.next)) return null;
  const free = every > 0 ? freeSlot(store, queue, id, next, every) : next;
  if (free !== next) store.emit(queue, "duplicated", "jobId", iterationId(id, next));
  const jobId = iterationId(id, free);
  // Jobs of an earlier scheduler of that id may have the time of a pattern: one that ended makes way, another is the next.
  const earlier = findJob(store, queue, jobId);
  const isThere = earlier !== undefined && !isEnded(earlier);
  if (earlier !== undefined && !isThere) makeWay(store, queue, earlier);
  writeScheduler(store, queue, id, free, scheduler.iterations + 1, fields);
  if (isThere) {
    store.emit(queue, "duplicated", "jobId", jobId);
    return null;
  }
  addIteration(store, queue, id, jobId, Math.max(0, free - store.now), fields, iteration);
  return jobId;
}

/** The first slot from a time on that no job of the scheduler has. */
function freeSlot(
  store: Store,
  queue: QueueRecord,
  id: string,
  from: number,
  every: number,
): number {
  let free = from;
  while (jobExists(store, queue, iterationId(id, free))) free += every;
  return free;
}

/**
 * The next time of a scheduler with an interval: aligned to whole intervals since 1970 plus the
 * offset, which the first time sets. Missed times are skipped.
 */
function nextSlot(
  previous: number | undefined,
  every: number,
  now: number,
  offset: number,
  startDate: number | undefined,
): { next: number; offset: number } {
  const slotAfterNow = (): number => {
    const aligned = Math.floor(now / every) * every + offset;
    return aligned > now ? aligned : aligned + every;
  };
  let next: number;
  if (previous !== undefined) next = previous + every < now ? slotAfterNow() : previous + every;
  else if (startDate !== undefined) next = Math.max(startDate, now);
  else next = offset > 0 ? slotAfterNow() : now;
  const found = offset === 0 ? next - Math.floor(next / every) * every : offset;
  return { next: Math.floor(next), offset: Math.floor(found) };
}

/** Removes a scheduler with its next job. @returns 0, or 1 when there is no such scheduler */
export function removeScheduler(store: Store, queue: QueueRecord, id: string): number {
  const scheduler = readScheduler(store, queue, id);
  if (scheduler === undefined) return 1;
  const job = findJob(store, queue, iterationId(id, scheduler.next));
  if (job?.state === STATE.delayed) {
    deleteJob(store, queue, job);
    store.emit(queue, "removed", "jobId", job.id, "prev", "delayed");
  }
  store.run("DELETE FROM scheduler WHERE queue = ? AND id = ?", queue.key, id);
  return 0;
}

/** A scheduler as BullMQ reads it: names and values in turn, and its next time. */
export function getScheduler(
  store: Store,
  queue: QueueRecord,
  id: string,
): [string[], string] | [null, null] {
  const row = readScheduler(store, queue, id);
  if (row === undefined) return [null, null];
  const fields = { ...(readFields(row.fields) ?? damagedFields(id)), ic: String(row.iterations) };
  return [Object.entries(fields).flat(), String(row.next)];
}

/** Ids and next times in turn. */
export function getSchedulers(
  store: Store,
  queue: QueueRecord,
  start: number,
  end: number,
  ascending: boolean,
): string[] {
  const total = countSchedulers(store, queue);
  const from = start < 0 ? Math.max(0, total + start) : start;
  const to = end < 0 ? total + end : end;
  return store
    .all<{ id: string; next: number }>(
      `SELECT id, next FROM scheduler WHERE queue = ? ORDER BY next ${ascending ? "ASC, id ASC" : "DESC, id DESC"}
       LIMIT ? OFFSET ?`,
      queue.key,
      Math.max(0, to - from + 1),
      from,
    )
    .flatMap(({ id, next }) => [id, String(next)]);
}

export function countSchedulers(store: Store, queue: QueueRecord): number {
  return (
    store.get<{ count: number }>(
      "SELECT count(*) AS count FROM scheduler WHERE queue = ?",
      queue.key,
    )?.count ?? 0
  );
}

function readScheduler(store: Store, queue: QueueRecord, id: string): SchedulerRow | undefined {
  return store.get<SchedulerRow>(
    "SELECT next, iterations, fields FROM scheduler WHERE queue = ? AND id = ?",
    queue.key,
    id,
  );
}

function writeScheduler(
  store: Store,
  queue: QueueRecord,
  id: string,
  next: number,
  iterations: number,
  fields: SchedulerFields,
): void {
  store.run(
    "REPLACE INTO scheduler (queue, id, next, iterations, fields) VALUES (?, ?, ?, ?, ?)",
    queue.key,
    id,
    next,
    iterations,
    JSON.stringify(fields),
  );
}

/** The job made for the scheduler's time, unless a worker took it already. */
function pendingJob(store: Store, queue: QueueRecord, id: string, at: number): JobHead | undefined {
  const job = findJob(store, queue, iterationId(id, at));
  if (job === undefined) return undefined;
  const { state } = job;
  return state === STATE.delayed || state === STATE.prioritized || state === STATE.wait
    ? job
    : undefined;
}

function makeWay(store: Store, queue: QueueRecord, job: JobHead): void {
  removeJob(store, queue, job, { hard: true, freeDeduplication: true });
}

function addIteration(
  store: Store,
  queue: QueueRecord,
  id: string,
  jobId: string,
  delay: number,
  fields: SchedulerFields,
  iteration: IterationRequest,
): void {
  queue.lastId += 1;
  const job: NewJob = {
    id: jobId,
    name: fields.name ?? id,
    data: fields.data ?? "{}",
    opts: JSON.stringify({ ...iteration.opts, delay, jobId }),
    addedAt: store.now,
    delay,
    priority: iteration.priority,
    lifo: iteration.lifo,
    parentKey: null,
    parent: null,
    scheduler: id,
    deduplication: iteration.deduplication,
  };
  storeAndEnqueue(store, queue, job);
}

function iterationId(id: string, at: number): string {
  return `repeat:${id}:${at}`;
}

function repeatOf(opts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { repeat } = opts as { repeat?: Record<string, unknown> | null };
  return repeat ?? {};
}

function offsetOf(opts: Readonly<Record<string, unknown>>): number {
  return Number(repeatOf(opts)["offset"] ?? 0);
}
