import { newelError } from "../../base/errors.ts";
import { isBusy, isOfStore } from "./database-errors.ts";
import { peekOf, readOf, writeOf } from "./operations.ts";
import { type QueueRecord, queueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** One call of the main thread. */
export interface Request {
  readonly operation: string;
  readonly queue: string;
  readonly args: readonly unknown[];
  /** The caller's clock, milliseconds. */
  readonly now: number;
}

/** The outcome of a call. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** How long another process may hold the write lock before calls fail, in milliseconds. */
const BUSY_LIMIT_MS = 60_000;
/** The same for calls that report the end of a job, because refusing them would repeat its work. */
const END_BUSY_LIMIT_MS = 600_000;
/** Checking the lock too seldom costs latency; checking too often slows down the process that holds it. */
const BUSY_WAIT_MS = [0.1, 0.2, 0.4, 0.8, 1.6] as const;

/**
 * Runs calls as one transaction: they share one sync to disk, and each still has its own outcome.
 *
 * @param beforeCommit - part of the transaction after all calls; may refuse the commit by throwing
 */
export function runGroup(
  store: Store,
  requests: readonly Request[],
  beforeCommit: () => void,
): Outcome[] {
  const answers = lookOnly(store, requests);
  if (answers !== undefined) return answers;
  try {
    return write(store, requests, plainly, beforeCommit);
  } catch (error) {
    if (isOfStore(error)) throw error;
    // One call failed half way. Nothing is committed yet: run all calls again, each in its own savepoint.
    return write(store, requests, onSavepoint, beforeCommit);
  }
}

/** The outcomes when no call writes; `undefined` when one has to write. */
function lookOnly(store: Store, requests: readonly Request[]): Outcome[] | undefined {
  const looks = requests.map(({ operation }) => readOf(operation) ?? peekOf(operation));
  if (looks.includes(undefined)) return undefined;
  return inTransaction(store, "BEGIN", () => {
    const outcomes: Outcome[] = [];
    for (const [at, request] of requests.entries()) {
      store.now = request.now;
      const queue = store.findQueue(request.queue) ?? emptyQueue(request.queue);
      const outcome = looked(() => looks[at]?.(store, queue, ...request.args));
      const isPeek = readOf(request.operation) === undefined;
      if (isPeek && "value" in outcome && outcome.value === null) return undefined;
      outcomes.push(outcome);
    }
    return outcomes;
  });
}

/** Whether a call only reads. */
export function isRead(operation: string): boolean {
  return readOf(operation) !== undefined;
}

/** Runs calls that only read, in a transaction that waits for no writer. */
export function runReads(store: Store, requests: readonly Request[]): Outcome[] {
  return inTransaction(store, "BEGIN", () =>
    requests.map((request) => looked(() => call(store, request))),
  );
}

/** The outcome of a call that writes nothing: its error is not that of the others. */
function looked(look: () => unknown): Outcome {
  try {
    return { value: look() };
  } catch (error) {
    if (isOfStore(error)) throw error;
    return { error };
  }
}

type Runner = (store: Store, run: () => unknown) => Outcome;

function write(
  store: Store,
  requests: readonly Request[],
  runner: Runner,
  beforeCommit: () => void,
): Outcome[] {
  const endsJob = requests.some(({ operation }) => SYNCED_SOON.has(operation));
  const limitMs = endsJob ? END_BUSY_LIMIT_MS : BUSY_LIMIT_MS;
  return inTransaction(
    store,
    "BEGIN IMMEDIATE",
    () => {
      const outcomes = requests.map((request) => runner(store, () => call(store, request)));
      beforeCommit();
      store.flush();
      return outcomes;
    },
    limitMs,
  );
}

/**
 * Calls without a promise of durability: a power cut that undoes one leaves the job where it was, to be taken
 * again. A later sync takes it to disk as well.
 */
const UNSYNCED: ReadonlySet<string> = new Set([
  "takeJob",
  "adoptJob",
  "extendLock",
  "extendLocks",
  "recoverStalled",
  "setClient",
]);

/**
 * Reports of a worker on a job that it has. The worker continues at once, while the report is synced: a power cut before
 * that lets the job run again, as a power cut during the run would have. A call that is answered later
 * as durable comes after it in the WAL.
 */
const SYNCED_SOON: ReadonlySet<string> = new Set([
  "finishJob",
  "retryJob",
  "delayJob",
  "moveActiveToWait",
  "updateProgress",
]);

/** When the changes of a call have to be on disk: before its answer, soon after it, or at any time. */
export type DiskPromise = "before" | "soon" | "never";

/** The strictest promise of durability among the calls of a turn. */
export function promiseOf(requests: readonly Request[]): DiskPromise {
  let promise: DiskPromise = "never";
  for (const { operation } of requests) {
    if (isPromised(operation)) return "before";
    if (SYNCED_SOON.has(operation)) promise = "soon";
  }
  return promise;
}

/** Whether a call is answered only when its changes are on disk. */
export function isPromised(operation: string): boolean {
  return readOf(operation) === undefined && !UNSYNCED.has(operation) && !SYNCED_SOON.has(operation);
}

/**
 * Checks whether there is something to do, does it, and reads, all in one transaction.
 *
 * @returns the value that was read
 */
export function runIf<T>(store: Store, look: () => boolean, write: () => void, read: () => T): T {
  const body = (): T => {
    if (look()) {
      store.now = Date.now();
      write();
      store.flush();
    }
    return read();
  };
  try {
    return inTransaction(store, "BEGIN", body);
  } catch (error) {
    // Another process writes, or has written since: wait for it, and check again.
    if (!isBusy(error)) throw error;
    return inTransaction(store, "BEGIN IMMEDIATE", body);
  }
}

/** Runs a function that writes, in its own transaction. */
export function runAlone<T>(store: Store, run: () => T): T {
  return inTransaction(store, "BEGIN IMMEDIATE", () => {
    store.now = Date.now();
    const result = run();
    store.flush();
    return result;
  });
}

function call(store: Store, { operation, queue, args, now }: Request): unknown {
  store.now = now;
  const read = readOf(operation);
  if (read !== undefined) return read(store, store.findQueue(queue) ?? emptyQueue(queue), ...args);
  const run = writeOf(operation);
  if (run === undefined)
    throw newelError("NEWEL_E_INTERNAL", { what: `no operation ${operation}` });
  return run(store, queue === "" ? emptyQueue(queue) : store.queue(queue), ...args);
}

const plainly: Runner = (_store, run) => ({ value: run() });

const onSavepoint: Runner = (store, run) => {
  store.run("SAVEPOINT call");
  try {
    const value = run();
    store.flush();
    store.run("RELEASE call");
    return { value };
  } catch (error) {
    if (isOfStore(error)) throw error;
    store.run("ROLLBACK TO call");
    store.run("RELEASE call");
    store.forget();
    return { error };
  }
};

type Begin = "BEGIN" | "BEGIN IMMEDIATE";

function inTransaction<T>(store: Store, begin: Begin, body: () => T, limitMs = BUSY_LIMIT_MS): T {
  patiently(() => store.run(begin), { limitMs, waits: () => store.blocked() });
  try {
    store.readClocks();
    store.refresh();
    if (begin === "BEGIN IMMEDIATE") store.unblocked();
    const result = body();
    store.commit();
    return result;
  } catch (error) {
    store.forget();
    // SQLite may have rolled it back already because the disk is full.
    if (store.database.isTransaction) store.run("ROLLBACK");
    throw error;
  }
}

/** Another process may be writing: each transaction is short, so its end is waited for. */
export function patiently<T>(
  run: () => T,
  {
    limitMs = BUSY_LIMIT_MS,
    waits,
  }: { readonly limitMs?: number; readonly waits?: () => void } = {},
): T {
  const end = performance.now() + limitMs;
  for (let turn = 0; ; turn += 1) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() > end)
        throw newelError("NEWEL_E_JOBS_BUSY", { seconds: limitMs / 1_000 }, error);
      waits?.();
      pause(BUSY_WAIT_MS[Math.min(turn, BUSY_WAIT_MS.length - 1)] ?? 1);
    }
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function pause(ms: number): void {
  // The delays are spread, so that the waiting processes do not all retry at the same moment.
  Atomics.wait(sleeper, 0, 0, ms * (0.5 + Math.random()));
}

/** A queue that nothing was written to yet. */
function emptyQueue(name: string): QueueRecord {
  const row = {
    key: -1,
    name,
    last_id: 0,
    last_priority: 0,
    head: 0,
    tail: 0,
    events: 0,
    last_event: 0,
    counts: "[0,0,0,0,0,0,0]",
    meta: "{}",
    limiter_count: 0,
    limiter_until: 0,
    stalled_check: 0,
  };
  return queueRecord(row, () => []);
}
