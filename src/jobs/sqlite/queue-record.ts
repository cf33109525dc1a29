import { storedCounts, storedTexts } from "../stored-json.ts";
import { STATE_NAMES } from "./states.ts";

/**
 * A cached record of a queue: counters, settings, number of jobs in each state. It is read
 * once, kept while no other process writes to the file, and written back with the transaction that changed it.
 */
export interface QueueRecord {
  readonly key: number;
  /** `prefix:queue`. */
  readonly name: string;
  lastId: number;
  lastPriority: number;
  head: number;
  tail: number;
  events: number;
  lastEvent: number;
  readonly counts: number[];
  readonly meta: Record<string, string>;
  limiterCount: number;
  limiterUntil: number;
  stalledCheck: number;
  /** The lowest score of a delayed job, `Infinity` when there is none, `undefined` when unknown. */
  nextDelayed: number | undefined;
  /** Whether the record has to be written back. */
  dirty: boolean;
  /** Whether the queue changed, so that a waiting caller may have a job or events to read. */
  touched: boolean;
  /** Events of this transaction, each as JSON. */
  readonly pending: string[];
}

/** A row of table queue. */
export interface QueueRow {
  readonly key: number;
  readonly name: string;
  readonly last_id: number;
  readonly last_priority: number;
  readonly head: number;
  readonly tail: number;
  readonly events: number;
  readonly last_event: number;
  readonly counts: string;
  readonly meta: string;
  readonly limiter_count: number;
  readonly limiter_until: number;
  readonly stalled_check: number;
}

/** @param count - counts the jobs of each state, when the stored counts are damaged */
export function queueRecord(row: QueueRow, count: () => number[]): QueueRecord {
  return {
    key: row.key,
    name: row.name,
    lastId: row.last_id,
    lastPriority: row.last_priority,
    head: row.head,
    tail: row.tail,
    events: row.events,
    lastEvent: row.last_event,
    counts: readCounts(row.counts) ?? count(),
    // Whether a queue with damaged settings is paused is unknown: it is, until it is resumed.
    meta: readMeta(row.meta) ?? { paused: "1" },
    limiterCount: row.limiter_count,
    limiterUntil: row.limiter_until,
    stalledCheck: row.stalled_check,
    nextDelayed: undefined,
    dirty: false,
    touched: false,
    pending: [],
  };
}

function readCounts(json: string): number[] | undefined {
  const counts = storedCounts(json);
  return counts?.length === STATE_NAMES.length ? counts : undefined;
}

/** The settings of a queue; `undefined` when they are damaged. */
export function readMeta(json: string): Record<string, string> | undefined {
  return storedTexts(json);
}

/** The number of jobs in a state. */
export function countOf(queue: QueueRecord, state: number): number {
  return queue.counts[state] ?? 0;
}

/** Whether no job may be taken, because the queue is paused or has reached its limit of active jobs. */
export function isPausedOrMaxed(queue: QueueRecord): boolean {
  return queue.meta["paused"] !== undefined || isMaxed(queue);
}

/** Whether as many jobs are active as `setGlobalConcurrency` allows. */
export function isMaxed(queue: QueueRecord): boolean {
  const concurrency = queue.meta["concurrency"];
  return concurrency !== undefined && countOf(queue, 2) >= Number(concurrency);
}
