import type { SQLInputValue } from "node:sqlite";

import { storedCounts } from "../../stored-json.ts";
import { COLUMNS, HEAD, type JobHead, type JobTuple } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { LISTS, STATE_NAMES } from "../states.ts";
import type { Store } from "../store.ts";
import { removeJob } from "./remove.ts";

/** The conditions of a search; a job has to meet all that are given. */
export interface JobFilter {
  /** The queue's qualified name, `bull:mails`. */
  readonly queue?: string;
  /** BullMQ's names of states. */
  readonly states?: readonly string[];
  /** The job's name. */
  readonly name?: string;
  /** Part of the job's id. */
  readonly id?: string;
  /** Added at or after, milliseconds since 1970. */
  readonly addedFrom?: number;
  /** Added before. */
  readonly addedBefore?: number;
  /** Finished at or after, milliseconds since 1970. */
  readonly finishedFrom?: number;
  /** Finished before, milliseconds since 1970. */
  readonly finishedBefore?: number;
  /** The owner of the run: `by` of newel/jobs. */
  readonly whose?: string;
  /** Values of fields of the data, by their path such as `customer.id`. */
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
  /** Part of the failure reason, in upper or lower case. */
  readonly error?: string;
}

/** The result of one search. */
export interface FoundRow {
  readonly key: number;
  readonly queue: string;
  readonly state: string;
  readonly job: JobTuple;
}

/** Finds jobs that match a filter, the newest first, after a cursor. */
export function searchJobs(
  store: Store,
  _queue: QueueRecord,
  filter: JobFilter,
  limit: number,
  before: number | null,
): FoundRow[] {
  const { where, values } = conditions(filter);
  if (isFewOfMany(store, filter)) where.push(amongFew(filter));
  const rows = store.all<Record<string, JobTuple[number]>>(
    `SELECT job.key AS found_key, (SELECT queue.name FROM queue WHERE queue.key = job.queue) AS found_queue,
       job.state AS found_state, ${COLUMNS.replace(/^id, name/, "job.id, job.name")}
     FROM job WHERE ${[...where, ...(before === null ? [] : ["job.key < ?"])].join(" AND ")}
     ORDER BY job.key DESC LIMIT ?`,
    ...values,
    ...(before === null ? [] : [before]),
    limit,
  );
  return rows.map(({ found_key, found_queue, found_state, ...job }) => ({
    key: Number(found_key),
    queue: String(found_queue),
    state: STATE_NAMES[Number(found_state)] ?? "unknown",
    job: Object.values(job),
  }));
}

/** Up to this many jobs are sorted instead of being searched among all jobs. */
const FEW_JOBS = 5_000;

/** The jobs of these states by their index, so that a few waiting jobs are not searched among all finished ones. */
const amongFew = ({ states = [] }: JobFilter): string =>
  `job.key IN (SELECT key FROM job INDEXED BY job_state
     WHERE queue IN (SELECT key FROM queue) AND state IN (${numbersOf(states).join(", ")}))`;

function isFewOfMany(store: Store, { states, whose }: JobFilter): boolean {
  if (states === undefined || whose !== undefined) return false;
  const counts = Object.values(countAll(store)).flatMap((queue) =>
    numbersOf(states).map((state) => queue[STATE_NAMES[state] ?? ""] ?? 0),
  );
  return counts.reduce((sum, count) => sum + count, 0) <= FEW_JOBS;
}

function numbersOf(states: readonly string[]): number[] {
  return states.map((state) => LISTS.get(state) ?? -1);
}

/** The queues and their numbers of jobs in each state. */
export function countAll(store: Store): Record<string, Record<string, number>> {
  const rows = store.all<{ name: string; counts: string }>(
    "SELECT name, counts FROM queue ORDER BY name",
  );
  return Object.fromEntries(
    rows.map(({ name, counts }) => {
      const numbers = storedCounts(counts) ?? store.findQueue(name)?.counts ?? [];
      return [name, Object.fromEntries(STATE_NAMES.map((state, at) => [state, numbers[at] ?? 0]))];
    }),
  );
}

/** The number of jobs that match a filter, for each queue that has any. */
export function countFound(
  store: Store,
  _queue: QueueRecord,
  filter: JobFilter,
): Record<string, number> {
  const { where, values } = conditions(filter);
  const rows = store.all<{ name: string; count: number }>(
    `SELECT queue.name AS name, count(*) AS count FROM queue CROSS JOIN job ON job.queue = queue.key
     WHERE ${where.join(" AND ")} GROUP BY queue.key`,
    ...values,
  );
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

/** Removes finished jobs that match a filter, a bounded number at once. @returns the number of removed jobs */
export function pruneJobs(
  store: Store,
  _queue: QueueRecord,
  filter: JobFilter,
  limit: number,
): number {
  const { where, values } = conditions({
    ...filter,
    states: filter.states ?? ["completed", "failed"],
  });
  const jobs = store.all<JobHead & { readonly queue: number }>(
    `SELECT ${HEAD}, queue FROM job WHERE ${where.join(" AND ")} ORDER BY job.key LIMIT ?`,
    ...values,
    limit,
  );
  for (const job of jobs) {
    const queue = store.queueByKey(job.queue);
    if (queue !== undefined) removeJob(store, queue, job, { hard: false, freeDeduplication: true });
  }
  return jobs.length;
}

const DATA = "coalesce(job.data, (SELECT data FROM payload WHERE payload.job = job.key))";

function conditions(filter: JobFilter): { where: string[]; values: SQLInputValue[] } {
  const where: string[] = ["1"];
  const values: SQLInputValue[] = [];
  const add = (condition: string, ...some: SQLInputValue[]): void => {
    where.push(condition);
    values.push(...some);
  };
  if (filter.queue !== undefined)
    add("job.queue = (SELECT key FROM queue WHERE name = ?)", filter.queue);
  if (filter.states !== undefined) {
    add(`job.state IN (${numbersOf(filter.states).join(", ")})`);
  }
  if (filter.whose !== undefined) add("job.whose = ?", filter.whose);
  if (filter.name !== undefined) add("job.name = ?", filter.name);
  if (filter.id !== undefined) add("instr(job.id, ?) > 0", filter.id);
  if (filter.addedFrom !== undefined) add("job.added_at >= ?", filter.addedFrom);
  if (filter.addedBefore !== undefined) add("job.added_at < ?", filter.addedBefore);
  if (filter.finishedFrom !== undefined) add("job.finished_at >= ?", filter.finishedFrom);
  if (filter.finishedBefore !== undefined) add("job.finished_at < ?", filter.finishedBefore);
  if (filter.error !== undefined)
    add("instr(lower(job.failed_reason), lower(?)) > 0", filter.error);
  // SQLite refuses a search in data that is no JSON. As JSON, so that 1 is not "1" and true is not 1.
  for (const [path, value] of Object.entries(filter.data ?? {}))
    add(
      `CASE WHEN json_valid(${DATA}) THEN ${DATA} -> ? END = json(?)`,
      jsonPath(path),
      JSON.stringify(value),
    );
  return { where, values };
}

/** `customer.id` as SQLite writes it: `$."customer"."id"`; numbers are places in a list. */
function jsonPath(path: string): string {
  const steps = path
    .split(".")
    .map((step) => (/^\d+$/.test(step) ? `[${step}]` : `."${step.replaceAll('"', "")}"`));
  return `$${steps.join("")}`;
}
