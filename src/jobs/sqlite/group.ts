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

/** What came of a call. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** How long another process may keep the write lock before calls fail, milliseconds. */
const BUSY_LIMIT_MS = 60_000;
/** Looking again too late costs latency, too often costs the one who works. */
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
  const looked = lookOnly(store, requests);
  if (looked !== undefined) return looked;
  try {
    return write(store, requests, plainly, beforeCommit);
  } catch (error) {
    if (isOfStore(error)) throw error;
    // One call failed half way. Nothing is committed yet: run all again, each on a savepoint of its own.
    return write(store, requests, onSavepoint, beforeCommit);
  }
}

/** The outcomes when nobody has anything to write; `undefined` when somebody has. */
function lookOnly(store: Store, requests: readonly Request[]): Outcome[] | undefined {
  const looks = requests.map(({ operation }) => readOf(operation) ?? peekOf(operation));
  if (looks.includes(undefined)) return undefined;
  return inTransaction(store, "BEGIN", () => {
    const outcomes: Outcome[] = [];
    for (const [at, request] of requests.entries()) {
      store.now = request.now;
      const queue = store.findQueue(request.queue) ?? emptyQueue(request.queue);
      const value = looks[at]?.(store, queue, ...request.args);
      if (value === null && readOf(request.operation) === undefined) return undefined;
      outcomes.push({ value });
    }
    return outcomes;
  });
}

type Runner = (store: Store, run: () => unknown) => Outcome;

function write(
  store: Store,
  requests: readonly Request[],
  runner: Runner,
  beforeCommit: () => void,
): Outcome[] {
  return inTransaction(store, "BEGIN IMMEDIATE", () => {
    const outcomes = requests.map((request) => runner(store, () => call(store, request)));
    beforeCommit();
    store.flush();
    return outcomes;
  });
}

/**
 * What nobody was promised: a power cut that undoes it leaves the job where it was before, to be taken
 * again. What is written later takes it to disk as well.
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
 * What a worker says of a job it has. It goes on at once, while this goes to disk: a power cut before
 * that lets the job run again, as one a moment earlier would have, while it ran. Whatever is answered later
 * as being on disk comes after it there.
 */
const SYNCED_SOON: ReadonlySet<string> = new Set([
  "finishJob",
  "retryJob",
  "delayJob",
  "moveActiveToWait",
  "updateProgress",
]);

/** When what came of a call has to be on disk: before its answer, soon after it, or whenever. */
export type DiskPromise = "before" | "soon" | "never";

/** What all the calls of a turn are promised together. */
export function promiseOf(requests: readonly Request[]): DiskPromise {
  let promise: DiskPromise = "never";
  for (const { operation } of requests) {
    if (readOf(operation) !== undefined || UNSYNCED.has(operation)) continue;
    if (!SYNCED_SOON.has(operation)) return "before";
    promise = "soon";
  }
  return promise;
}

/**
 * Looks whether there is something to do, does it, and reads, all in one transaction.
 *
 * @returns what was read
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
    // Another process writes, or wrote since: wait for it, and look again.
    if (!isBusy(error)) throw error;
    return inTransaction(store, "BEGIN IMMEDIATE", body);
  }
}

/** Runs something that writes, on its own. */
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

function inTransaction<T>(store: Store, begin: string, body: () => T): T {
  patiently(() => store.run(begin));
  try {
    store.refresh();
    const result = body();
    store.commit();
    return result;
  } catch (error) {
    store.forget();
    // A full disk may have rolled it back already.
    if (store.database.isTransaction) store.run("ROLLBACK");
    throw error;
  }
}

/** Another process may be writing: each transaction is short, so its end is waited for. */
export function patiently<T>(run: () => T): T {
  const end = performance.now() + BUSY_LIMIT_MS;
  for (let turn = 0; ; turn += 1) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() > end)
        throw newelError("NEWEL_E_JOBS_BUSY", { seconds: BUSY_LIMIT_MS / 1_000 }, error);
      pause(BUSY_WAIT_MS[Math.min(turn, BUSY_WAIT_MS.length - 1)] ?? 1);
    }
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function pause(ms: number): void {
  // Not all at once after the one who worked: whoever waits, waits a little differently.
  Atomics.wait(sleeper, 0, 0, ms * (0.5 + Math.random()));
}

/** A queue that nothing was written to yet. */
function emptyQueue(name: string): QueueRecord {
  return queueRecord({
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
  });
}
