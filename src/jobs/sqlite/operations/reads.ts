import { CODE } from "../codes.ts";
import { COLUMNS, findJob, frontPriorityScore, type JobTuple, scoreOfTime } from "../job-rows.ts";
import { countOf, isMaxed, type QueueRecord } from "../queue-record.ts";
import { CHILD, type Child, LISTS, STATE, STATE_NAMES } from "../states.ts";
import type { Store } from "../store.ts";
import { logRange } from "./change.ts";
import { holderOf } from "./deduplicate.ts";
import { limitedFor } from "./take.ts";

export function getJob(store: Store, queue: QueueRecord, id: string): JobTuple | undefined {
  const row = store.get<Record<string, JobTuple[number]>>(
    `SELECT ${COLUMNS} FROM job WHERE queue = ? AND id = ?`,
    queue.key,
    id,
  );
  return row === undefined ? undefined : Object.values(row);
}

export function getState(store: Store, queue: QueueRecord, id: string): string {
  const job = findJob(store, queue, id);
  return job === undefined ? "unknown" : (STATE_NAMES[job.state] ?? "unknown");
}

/** Whether a job is in the list of BullMQ with this name. */
export function isInList(store: Store, queue: QueueRecord, list: string, id: string): boolean {
  return findJob(store, queue, id)?.state === LISTS.get(list) && LISTS.has(list);
}

/** Returns 0 for an unfinished job, 1 completed, 2 failed, or an error code; with the value or the reason. */
export function isFinished(store: Store, queue: QueueRecord, id: string): [number, string | null] {
  const row = store.get<{
    state: number;
    returnvalue: string | null;
    failed_reason: string | null;
  }>("SELECT state, returnvalue, failed_reason FROM job WHERE queue = ? AND id = ?", queue.key, id);
  if (row === undefined) return [CODE.jobNotExist, null];
  if (row.state === STATE.completed) return [1, row.returnvalue];
  return row.state === STATE.failed ? [2, row.failed_reason] : [0, null];
}

export function getMaxed(_store: Store, queue: QueueRecord): boolean {
  return isMaxed(queue);
}

/** Jobs in each list. @param dueBefore - of the delayed ones only those due before that time */
export function getCounts(
  store: Store,
  queue: QueueRecord,
  lists: readonly string[],
  dueBefore: number | null,
): number[] {
  return lists.map((list) => {
    const state = LISTS.get(list);
    if (state === undefined) return 0;
    if (state === STATE.delayed && dueBefore !== null) return countDue(store, queue, dueBefore);
    return countOf(queue, state);
  });
}

function countDue(store: Store, queue: QueueRecord, before: number): number {
  return (
    store.get<{ count: number }>(
      "SELECT count(*) AS count FROM job WHERE queue = ? AND state = ? AND score < ?",
      queue.key,
      STATE.delayed,
      scoreOfTime(before),
    )?.count ?? 0
  );
}

export function getCountsPerPriority(
  store: Store,
  queue: QueueRecord,
  priorities: readonly number[],
): number[] {
  return priorities.map((priority) =>
    priority === 0
      ? countOf(queue, STATE.wait)
      : (store.get<{ count: number }>(
          "SELECT count(*) AS count FROM job WHERE queue = ? AND state = ? AND score >= ? AND score < ?",
          queue.key,
          STATE.prioritized,
          frontPriorityScore(priority),
          frontPriorityScore(priority + 1),
        )?.count ?? 0),
  );
}

/**
 * The ids in lists, from `start` to `end`; negative positions count from the end. Waiting and
 * active jobs come newest first also when ascending, because BullMQ itself reverses them.
 */
export function getRanges(
  store: Store,
  queue: QueueRecord,
  lists: readonly string[],
  start: number,
  end: number,
  ascending: boolean,
): string[][] {
  return lists.map((list) => {
    const state = LISTS.get(list);
    if (state === undefined) return [];
    const total = countOf(queue, state);
    const from = start < 0 ? Math.max(0, total + start) : start;
    const to = end < 0 ? total + end : end;
    // See take.ts for the order of jobs at the front of a priority.
    const second = state === STATE.prioritized ? "id" : "key";
    const order = ascending ? `score ASC, ${second} ASC` : `score DESC, ${second} DESC`;
    const ids = store
      .all<{ id: string }>(
        `SELECT id FROM job WHERE queue = ? AND state = ? ORDER BY ${order} LIMIT ? OFFSET ?`,
        queue.key,
        state,
        Math.max(0, to - from + 1),
        from,
      )
      .map(({ id }) => id);
    const turned = ascending && (state === STATE.wait || state === STATE.active);
    return turned ? ids.reverse() : ids;
  });
}

export function getDeduplicationJob(store: Store, queue: QueueRecord, id: string): string | null {
  return holderOf(store, queue, id)?.job ?? null;
}

export function getLogs(
  store: Store,
  queue: QueueRecord,
  id: string,
  start: number,
  end: number,
  ascending: boolean,
): { logs: string[]; count: number } {
  const job = findJob(store, queue, id);
  if (job === undefined) return { logs: [], count: 0 };
  const { first, last } = logRange(store, job.key);
  const count = last - first + 1;
  const from = start < 0 ? Math.max(0, count + start) : start;
  const to = end < 0 ? count + end : end;
  const rows = store.all<{ line: string }>(
    `SELECT line FROM log WHERE job = ? ORDER BY number ${ascending ? "ASC" : "DESC"} LIMIT ? OFFSET ?`,
    job.key,
    Math.max(0, to - from + 1),
    from,
  );
  return { logs: rows.map(({ line }) => line), count };
}

/** How long the rate limit holds, in milliseconds; -2 when no window is open. */
export function getRateLimit(store: Store, queue: QueueRecord, max: number): number {
  const limit = max > 0 ? max : Number(queue.meta["max"] ?? 0);
  if (limit > 0) return limitedFor(store, queue, limit);
  return queue.limiterUntil > store.spanNow ? queue.limiterUntil - store.spanNow : -2;
}

interface ChildRow {
  readonly key: string;
  readonly kind: Child;
  readonly value: string | null;
}

const CHILDREN = `SELECT queue.name || ':' || dependency.id AS key, kind, value FROM dependency
  JOIN queue ON queue.key = dependency.queue
  WHERE parent = (SELECT key FROM job WHERE queue = ? AND id = ?)`;

/** All children of a job, with their outcomes. */
export function getChildren(store: Store, queue: QueueRecord, id: string): ChildRow[] {
  return store.all<ChildRow>(CHILDREN, queue.key, id);
}

/** Children of one kind, from an offset. */
export function getChildrenPage(
  store: Store,
  queue: QueueRecord,
  id: string,
  kind: Child,
  offset: number,
  count: number,
): ChildRow[] {
  return store.all<ChildRow>(
    `${CHILDREN} AND kind = ? ORDER BY dependency.queue, dependency.id LIMIT ? OFFSET ?`,
    queue.key,
    id,
    kind,
    count,
    offset,
  );
}

/** How many children of each kind: pending, processed, ignored, failed. */
export function countDependencies(store: Store, queue: QueueRecord, id: string): number[] {
  const counts = [0, 0, 0, 0];
  for (const { kind } of getChildren(store, queue, id)) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** A page of the pending or processed children of a job, and the jobs themselves. */
export function paginateChildren(
  store: Store,
  queue: QueueRecord,
  id: string,
  processed: boolean,
  start: number,
  end: number,
  withJobs: boolean,
): { items: ChildRow[]; total: number; jobs: JobTuple[] } {
  const kind = processed ? CHILD.processed : CHILD.pending;
  const total = countDependencies(store, queue, id)[kind] ?? 0;
  const count = end < 0 ? -1 : Math.max(0, end - start + 1);
  const items = getChildrenPage(store, queue, id, kind, start, count);
  const jobs = withJobs ? childJobs(store, queue, id, kind, start, count) : [];
  return { items, total, jobs };
}

function childJobs(
  store: Store,
  queue: QueueRecord,
  id: string,
  kind: Child,
  offset: number,
  count: number,
): JobTuple[] {
  const rows = store.all<{ queue: number; id: string }>(
    `SELECT queue, id FROM dependency WHERE parent = (SELECT key FROM job WHERE queue = ? AND id = ?) AND kind = ?
     ORDER BY queue, id LIMIT ? OFFSET ?`,
    queue.key,
    id,
    kind,
    count,
    offset,
  );
  return rows.flatMap((row) => {
    const childQueue = store.queueByKey(row.queue);
    const job = childQueue === undefined ? undefined : getJob(store, childQueue, row.id);
    return job === undefined ? [] : [job];
  });
}
