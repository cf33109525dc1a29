import type { StreamReadRaw } from "bullmq";

import { backoffMs } from "../../base/backoff.ts";
import { sleep } from "../../base/timers.ts";
import { compareIds } from "./position.ts";
import { type Entry, parseEntry } from "./entry.ts";
import { Listener } from "./listener.ts";

/** What reads a queue's events: a BullMQ backend made with `{ blocking: true }`. */
export interface EventReader {
  waitUntilReady(): Promise<void>;
  readEvents(after: string, waitMs: number): Promise<StreamReadRaw>;
  disconnect(): Promise<void>;
  close(force?: boolean): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** How many events of a queue are kept for those who come back. BullMQ's stores keep as many. */
const KEPT_ENTRIES = 10_000;
/** Trimmed in pieces, so that not every event moves the others. */
const TRIM_SLACK = 1_000;
/** A read that gives fewer has reached the end: SQLite then gives at least so many, PostgreSQL 100, Redis all. */
const FULL_BATCH = 50;
/** After so many events without a pause the store may have dropped some that were not read yet. */
const SUSPECT_ENTRIES = 5_000;
const WAIT_MS = 10_000;
const END_MS = 1_000;
const START = "0";
const RETRY = { minMs: 100, maxMs: 5_000 };

/**
 * The events of one queue, read once for all who listen in this process, with the newest kept in memory.
 * One connection to the store, however many listen.
 */
export class QueueLog {
  readonly #open: () => EventReader;
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #closing = new AbortController();
  #reader: EventReader | undefined;
  #entries: Entry[] = [];
  /** All ids that were read, also of events that concern no run, oldest first. */
  #ids: string[] = [];
  #cursor = START;
  /** While the stream is read from its start: up to where it had been read before, if it is still there. */
  #known: { readonly cursor: string; found: boolean } | undefined = { cursor: START, found: true };
  /** In a row. */
  #failures = 0;
  #ready = pending();
  #running: Promise<void> | undefined;

  constructor(open: () => EventReader, onError: (error: unknown) => void) {
    this.#open = open;
    this.#onError = onError;
  }

  /** Resolves when the stream was read to its end once. */
  ready(): Promise<void> {
    this.#running ??= this.#run();
    return this.#ready.promise;
  }

  /** The id of the last event that was read: the state read from now on is not older. */
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
   * The events of a job up to an event, and since.
   *
   * @returns `undefined` when that event is none of the stream's, or one that is not kept any more
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
    // A connection that breaks makes the read fail too, which is where it is dealt with.
    reader.on("error", this.#onError);
    this.#reader = reader;
    await reader.waitUntilReady();
    return reader;
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return;
    // First: it ends the read that waits.
    await this.#patiently(reader.disconnect());
    await this.#patiently(reader.close(true));
  }

  /** BullMQ's connection to a Redis server that was away may never say that it has ended. */
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

  /** Reads the stream from its start: whether the last event that was read is still there tells of a gap. */
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

/** A promise that may reject without anybody who waits for it. */
function pending(): PromiseWithResolvers<void> {
  const promise = Promise.withResolvers<void>();
  promise.promise.catch(() => undefined);
  return promise;
}
