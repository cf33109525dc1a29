import type { StreamReadRaw } from "bullmq";

import { backoffMs } from "../../base/backoff.ts";
import { sleep } from "../../base/timers.ts";
import { compareIds } from "./position.ts";
import { type Entry, parseEntry } from "./entry.ts";
import { Listener } from "./listener.ts";

/** The reader of a queue's events: a BullMQ backend made with `{ blocking: true }`. */
export interface EventReader {
  waitUntilReady(): Promise<void>;
  readEvents(after: string, waitMs: number): Promise<StreamReadRaw>;
  disconnect(): Promise<void>;
  close(force?: boolean): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** How many events of a queue are kept for listeners that reconnect. BullMQ's stores keep the same number. */
const KEPT_ENTRIES = 10_000;
/** Old events are dropped in batches of this size, so that not every event moves the others. */
const TRIM_SLACK = 1_000;
/**
 * A read with fewer events has reached the end: before the end SQLite returns at least this many, PostgreSQL 100,
 * Redis all.
 */
const FULL_BATCH = 50;
/** After this number of events without a pause the store may have dropped some that were not read yet. */
const SUSPECT_ENTRIES = 5_000;
const WAIT_MS = 10_000;
const END_MS = 1_000;
const START = "0";
const RETRY = { minMs: 100, maxMs: 5_000 };

/**
 * The events of one queue, read once for all listeners of this process, with the newest kept in memory.
 * It uses one connection to the store for any number of listeners.
 */
export class QueueLog {
  readonly #open: () => EventReader;
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #closing = new AbortController();
  #reader: EventReader | undefined;
  #entries: Entry[] = [];
  /** All ids that were read, also of events that are not about a run, oldest first. */
  #ids: string[] = [];
  #cursor = START;
  /** While the stream is read again from its start: the id up to which it was read before. */
  #known: { readonly cursor: string; found: boolean } | undefined = { cursor: START, found: true };
  /** The number of failures in a row. */
  #failures = 0;
  #ready = pending();
  #running: Promise<void> | undefined;

  constructor(open: () => EventReader, onError: (error: unknown) => void) {
    this.#open = open;
    this.#onError = onError;
  }

  /** Resolves when the stream has been read to its end once. */
  ready(): Promise<void> {
    this.#running ??= this.#run();
    return this.#ready.promise;
  }

  /** The id of the last event that was read: a state that is read from now on is not older. */
  get position(): string {
    return this.#known?.cursor ?? this.#cursor;
  }

  listen(job: string): Listener {
    const listener = new Listener();
    const others = this.#listeners.get(job);
    if (others === undefined) this.#listeners.set(job, new Set([listener]));
    else others.add(listener);
    if (this.#closing.signal.aborted) listener.end();
    return listener;
  }

  leave(job: string, listener: Listener): void {
    const others = this.#listeners.get(job);
    others?.delete(listener);
    if (others?.size === 0) this.#listeners.delete(job);
  }

  /**
   * Returns the events of a job, divided at an event: `before` ends with that event, `since` has the later ones.
   *
   * @returns `undefined` when that event is not in the stream, or was removed from it
   */
  around(job: string, id: string): { before: Entry[]; since: Entry[] } | undefined {
    if (!this.#has(id)) return undefined;
    const entries = this.#entries.filter((entry) => entry.job === job);
    const at = entries.findIndex((entry) => compareIds(entry.id, id) > 0);
    return at === -1
      ? { before: entries, since: [] }
      : { before: entries.slice(0, at), since: entries.slice(at) };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const listener of this.#all()) listener.end();
    await this.#closeReader();
    await this.#patiently(this.#running);
  }

  #has(id: string): boolean {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIds(this.#ids[middle] ?? "", id) < 0) low = middle + 1;
      else high = middle;
    }
    return this.#ids[low] === id;
  }

  *#all(): Iterable<Listener> {
    for (const some of this.#listeners.values()) yield* some;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#readOn();
      } catch (error) {
        if (signal.aborted) break;
        this.#failures += 1;
        this.#onError(error);
        this.#ready.reject(error);
        this.#ready = pending();
        await this.#closeReader();
        await sleep(backoffMs(RETRY, this.#failures), signal);
        this.#startOver();
      }
    }
    this.#ready.resolve();
  }

  /** Reads until something fails or the log is closed. */
  async #readOn(): Promise<void> {
    const reader = await this.#connected();
    let isAtEnd = false;
    for (let unpaused = 0; !this.#closing.signal.aborted;) {
      const read = await reader.readEvents(this.#cursor, isAtEnd ? WAIT_MS : 1);
      const events = read?.[0]?.[1] ?? [];
      this.#failures = 0;
      for (const [id, fields] of events) this.#take(id, fields);
      this.#trim();
      isAtEnd = events.length < FULL_BATCH;
      unpaused = isAtEnd || this.#known !== undefined ? 0 : unpaused + events.length;
      if (isAtEnd) this.#caughtUp();
      if (unpaused > SUSPECT_ENTRIES) this.#startOver();
    }
  }

  async #connected(): Promise<EventReader> {
    if (this.#reader !== undefined) return this.#reader;
    const reader = this.#open();
    // A broken connection makes the read fail too, and that failure is handled there.
    reader.on("error", this.#onError);
    this.#reader = reader;
    await reader.waitUntilReady();
    return reader;
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return;
    // This comes first, because it ends the pending read.
    await this.#patiently(reader.disconnect());
    await this.#patiently(reader.close(true));
  }

  /** Limits the close, because BullMQ's connection to a Redis server that was unreachable may never report its end. */
  async #patiently(end: Promise<void> | undefined): Promise<void> {
    const ended = new AbortController();
    const settled = Promise.resolve(end)
      .catch(this.#onError)
      .finally(() => ended.abort());
    await Promise.race([settled, sleep(END_MS, ended.signal)]);
  }

  #take(id: string, fields: readonly string[]): void {
    this.#cursor = id;
    this.#ids.push(id);
    const entry = parseEntry(id, fields);
    if (entry !== undefined) this.#entries.push(entry);
    if (this.#known !== undefined && compareIds(id, this.#known.cursor) <= 0) {
      this.#known.found ||= id === this.#known.cursor;
    } else if (entry !== undefined) {
      for (const listener of this.#listeners.get(entry.job) ?? []) listener.push(entry);
    }
  }

  #trim(): void {
    if (this.#ids.length <= KEPT_ENTRIES + TRIM_SLACK) return;
    this.#ids = this.#ids.slice(-KEPT_ENTRIES);
    const [oldest = START] = this.#ids;
    this.#entries = this.#entries.filter(({ id }) => compareIds(id, oldest) >= 0);
  }

  /** Reads the stream again from its start: a missing last event means a gap. */
  #startOver(): void {
    const cursor = this.position;
    this.#known = { cursor, found: cursor === START };
    this.#ready.resolve();
    this.#ready = pending();
    this.#cursor = START;
    this.#ids = [];
    this.#entries = [];
  }

  #caughtUp(): void {
    if (this.#known?.found === false) for (const listener of this.#all()) listener.miss();
    this.#known = undefined;
    this.#ready.resolve();
  }
}

/** Marks a promise as handled, so that its rejection without a waiting caller does not end the process. */
function pending(): PromiseWithResolvers<void> {
  const promise = Promise.withResolvers<void>();
  promise.promise.catch(() => undefined);
  return promise;
}
