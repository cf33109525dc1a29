import { CODE } from "../codes.ts";
import { findJob, HEAD, type JobHead, moveJob } from "../job-rows.ts";
import { countOf, type QueueRecord } from "../queue-record.ts";
import { CHILD, STATE, type State } from "../states.ts";
import type { Store } from "../store.ts";
import { freeOnFinish } from "./deduplicate.ts";
import { childCompleted, childFailed, countChildren, findParent } from "./flow.ts";
import { lockProblem } from "./locks.ts";
import { collectMetrics } from "./metrics.ts";
import { makeDelayed, makeReady, pushBack } from "./placing.ts";
import { removeJob } from "./remove.ts";
import { promoteIfDue, type Taken, takeJob, type Taker } from "./take.ts";

/** How many finished jobs are kept: at most `count`, for at most `ageMs` milliseconds. */
export interface Keep {
  readonly count?: number;
  readonly ageMs?: number;
  readonly limit?: number;
}

/** How an attempt ended. */
export interface Finish {
  readonly id: string;
  readonly token: string;
  readonly target: "completed" | "failed";
  /** JSON of the return value, or the reason of the failure. */
  readonly value: string;
  readonly finishedOn: number;
  readonly keep: Keep;
  /** The number of attempts that the job has. */
  readonly attempts: number;
  readonly fields: AttemptFields | null;
  /** Minutes of metrics to keep; 0 for none. */
  readonly metrics: number;
  /** Takes the next job in the same transaction. */
  readonly next: Taker | null;
}

/** The fields that a failed attempt changes in the job. */
export interface AttemptFields {
  readonly failedReason?: string;
  /** JSON. */
  readonly stacktrace?: string;
}

/** An error code, or the next job. */
export type Finished = number | { readonly next: Taken };

/** Finishes an active job for good. */
export function finishJob(store: Store, queue: QueueRecord, finish: Finish): Finished {
  if (completePlain(store, queue, finish)) return finished(store, queue, finish, 1);
  const job = findJob(store, queue, finish.id);
  if (job === undefined) return CODE.jobNotExist;
  const problem = finishProblem(store, job, finish);
  if (problem !== undefined) return problem;
  freeOnFinish(store, queue, job);
  tellParent(store, queue, job, finish);
  const attemptsMade = job.attempts_made + 1;
  if (finish.keep.count === 0) forget(store, queue, job);
  else keepFinished(store, queue, job, finish);
  return finished(store, queue, finish, attemptsMade);
}

/** Emits the events of the end of a job, and takes the next one. */
function finished(
  store: Store,
  queue: QueueRecord,
  finish: Finish,
  attemptsMade: number,
): Finished {
  tellFinished(store, queue, finish, attemptsMade);
  if (finish.metrics > 0)
    collectMetrics(store, queue, finish.target, finish.metrics, finish.finishedOn);
  const next = finish.next === null ? undefined : takeJob(store, queue, finish.next);
  if (next === undefined) tellIfDrained(store, queue);
  return { next };
}

/**
 * Most jobs have no parent and are kept: for them one statement both checks and writes. @returns
 * whether it was such a job, which is completed now
 */
function completePlain(store: Store, queue: QueueRecord, finish: Finish): boolean {
  if (finish.target !== "completed" || finish.keep.count === 0) return false;
  const completed = store.run(
    `UPDATE job SET state = ${STATE.completed}, score = ?1, finished_at = ?1, returnvalue = ?2,
       attempts_made = attempts_made + 1, token = NULL, locked_until = NULL, owner = NULL
     WHERE queue = ?3 AND id = ?4 AND state = ${STATE.active} AND token = ?5 AND locked_until > ?6
       AND blockers = 0 AND parent_key IS NULL AND deduplication IS NULL`,
    finish.finishedOn,
    finish.value,
    queue.key,
    finish.id,
    finish.token,
    store.lockNow,
  );
  if (completed === 0) return false;
  store.count(queue, STATE.active, STATE.completed);
  trimFinished(store, queue, STATE.completed, finish);
  return true;
}

function finishProblem(store: Store, job: JobHead, finish: Finish): number | undefined {
  if (finish.target === "completed" && job.blockers > 0)
    return countChildren(store, job, CHILD.pending) > 0
      ? CODE.jobPendingChildren
      : CODE.jobHasFailedChildren;
  const problem = lockProblem(store, job, finish.token);
  if (problem !== undefined) return problem;
  return job.state === STATE.active ? undefined : CODE.jobNotInState;
}

function tellParent(store: Store, queue: QueueRecord, job: JobHead, finish: Finish): void {
  if (job.parent_key === null) return;
  if (finish.target === "failed") {
    childFailed(store, { queue, job }, finish.value);
    return;
  }
  const parent = findParent(store, job);
  if (parent !== undefined) childCompleted(store, parent, { queue, id: job.id }, finish.value);
}

function forget(store: Store, queue: QueueRecord, job: JobHead): void {
  removeJob(store, queue, job, { hard: false, freeDeduplication: false });
}

function keepFinished(store: Store, queue: QueueRecord, job: JobHead, finish: Finish): void {
  const state = finish.target === "completed" ? STATE.completed : STATE.failed;
  const { fields, value } = finish;
  if (finish.target === "completed")
    store.run(
      `UPDATE job SET state = ?1, score = ?2, finished_at = ?2, returnvalue = ?3, attempts_made = attempts_made + 1,
         token = NULL, locked_until = NULL, owner = NULL WHERE key = ?4`,
      state,
      finish.finishedOn,
      value,
      job.key,
    );
  else
    store.run(
      `UPDATE job SET state = ?1, score = ?2, finished_at = ?2, failed_reason = ?3, attempts_made = attempts_made + 1,
         stacktrace = coalesce(?4, stacktrace), deferred_failure = NULL,
         token = NULL, locked_until = NULL, owner = NULL WHERE key = ?5`,
      state,
      finish.finishedOn,
      value,
      fields?.stacktrace ?? null,
      job.key,
    );
  store.count(queue, STATE.active, state);
  trimFinished(store, queue, state, finish);
}

const TRIMMED_AT_ONCE = 1_000;

function trimFinished(
  store: Store,
  queue: QueueRecord,
  state: typeof STATE.completed | typeof STATE.failed,
  { keep, finishedOn }: Finish,
): void {
  const until = keep.ageMs === undefined ? undefined : finishedOn - keep.ageMs;
  if (until !== undefined && someUntil(store, queue, state, until)) {
    const old = store.all<JobHead>(
      `SELECT ${HEAD} FROM job WHERE queue = ? AND state = ? AND score <= ? ORDER BY score DESC LIMIT ?`,
      queue.key,
      state,
      until,
      keep.limit ?? TRIMMED_AT_ONCE,
    );
    for (const job of old) removeJob(store, queue, job, { hard: false, freeDeduplication: false });
  }
  const count = keep.count ?? 0;
  const excess = count > 0 ? countOf(queue, state) - count : 0;
  if (excess <= 0) return;
  const oldest = store.all<JobHead>(
    `SELECT ${HEAD} FROM job WHERE queue = ? AND state = ? ORDER BY score LIMIT ?`,
    queue.key,
    state,
    excess,
  );
  for (const job of oldest) removeJob(store, queue, job, { hard: false, freeDeduplication: false });
}

/** Whether any job finished before a time: seldom one did, and the full query costs ten times as much. */
function someUntil(store: Store, queue: QueueRecord, state: State, until: number): boolean {
  const oldest = store.tuple(
    "SELECT score FROM job WHERE queue = ? AND state = ? ORDER BY score LIMIT 1",
    queue.key,
    state,
  )?.[0];
  return typeof oldest === "number" && oldest <= until;
}

function tellFinished(
  store: Store,
  queue: QueueRecord,
  finish: Finish,
  attemptsMade: number,
): void {
  const { target, id, value } = finish;
  const field = target === "completed" ? "returnvalue" : "failedReason";
  store.emit(queue, target, "jobId", id, field, value, "prev", "active");
  if (target === "failed" && attemptsMade >= finish.attempts)
    store.emit(queue, "retries-exhausted", "jobId", id, "attemptsMade", String(attemptsMade));
}

function tellIfDrained(store: Store, queue: QueueRecord): void {
  const left =
    countOf(queue, STATE.wait) + countOf(queue, STATE.active) + countOf(queue, STATE.prioritized);
  if (left === 0) store.emit(queue, "drained");
}

/** Moves an active job to delayed: its next attempt comes after a delay. */
export function delayJob(
  store: Store,
  queue: QueueRecord,
  request: {
    readonly id: string;
    readonly token: string;
    readonly timestamp: number;
    readonly delay: number;
    readonly skipAttempt: boolean;
    readonly fields: AttemptFields | null;
    readonly next: Taker | null;
  },
): Finished {
  const job = activeJob(store, queue, request.id, request.token);
  if (typeof job === "number") return job;
  writeAttempt(store, job, request.fields, request.skipAttempt ? 0 : 1, request.delay);
  const dueAt = request.delay > 0 ? request.timestamp + request.delay : request.timestamp;
  makeDelayed(store, queue, job, dueAt);
  const next = request.next === null ? undefined : takeJob(store, queue, request.next);
  return { next: next !== undefined && "job" in next ? next : undefined };
}

/** Moves an active job to waiting: its next attempt comes at once. @returns 0 or an error code */
export function retryJob(
  store: Store,
  queue: QueueRecord,
  id: string,
  lifo: boolean,
  token: string,
  fields: AttemptFields | null,
): number {
  const job = activeJob(store, queue, id, token);
  if (typeof job === "number") return job;
  promoteIfDue(store, queue);
  writeAttempt(store, job, fields, 1, job.delay);
  makeReady(store, queue, job, lifo ? "first" : "last", "active");
  return 0;
}

/** Requeues an active job at the front. @returns how long the rate limit holds, or an error code */
export function moveActiveToWait(
  store: Store,
  queue: QueueRecord,
  id: string,
  token: string,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  const problem = lockProblem(store, job, token);
  if (problem !== undefined) return problem;
  if (job.state === STATE.active) pushBack(store, queue, job);
  return Math.max(0, queue.limiterUntil - store.spanNow);
}

/** Lets an active parent wait for its children, or for one of them. @returns 0, 1 when none is pending, or an error code */
export function waitForChildren(
  store: Store,
  queue: QueueRecord,
  id: string,
  token: string,
  childKey: string | null,
): number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  if (countChildren(store, job, CHILD.failed) > 0) return CODE.jobHasFailedChildren;
  const pending =
    childKey === null
      ? countChildren(store, job, CHILD.pending)
      : countPendingKey(store, job, childKey);
  if (pending === 0) return 1;
  const active = activeJob(store, queue, id, token);
  if (typeof active === "number") return active;
  moveJob(store, queue, active, STATE.waitingChildren, store.now);
  store.emit(queue, "waiting-children", "jobId", id, "prev", "active");
  return 0;
}

function countPendingKey(store: Store, parent: JobHead, childKey: string): number {
  return (
    store.get<{ count: number }>(
      `SELECT count(*) AS count FROM dependency, queue
       WHERE parent = ? AND kind = ? AND queue.key = dependency.queue AND queue.name || ':' || dependency.id = ?`,
      parent.key,
      CHILD.pending,
      childKey,
    )?.count ?? 0
  );
}

function activeJob(store: Store, queue: QueueRecord, id: string, token: string): JobHead | number {
  const job = findJob(store, queue, id);
  if (job === undefined) return CODE.jobNotExist;
  const problem = lockProblem(store, job, token);
  if (problem !== undefined) return problem;
  return job.state === STATE.active ? job : CODE.jobNotInState;
}

function writeAttempt(
  store: Store,
  job: JobHead,
  fields: AttemptFields | null,
  attempt: number,
  delay: number,
): void {
  store.run(
    `UPDATE job SET attempts_made = attempts_made + ?, delay = ?, failed_reason = coalesce(?, failed_reason),
       stacktrace = coalesce(?, stacktrace) WHERE key = ?`,
    attempt,
    delay,
    fields?.failedReason ?? null,
    fields?.stacktrace ?? null,
    job.key,
  );
}
