import { closeSync, fdatasync, fstatSync, openSync, readSync, writeSync } from "node:fs";

import { isNoSpace } from "./database-errors.ts";

/** How much the log is made longer at once, by one who works or who rests; how long it may get, bytes. */
const ROOM = Buffer.alloc(1_048_576);
const REST_ROOM = ROOM.subarray(0, 262_144);
const ROOM_LIMIT = 32 * ROOM.length;
/** With less than this left the log is to be made longer, bytes. */
const SHORT = 131_072;
/** So long after the last commit there is time for what can wait, milliseconds. */
const REST_MS = 5;
/** What nobody waits for goes to disk within this, milliseconds. */
const UNAWAITED_MS = 1_000;
/** A log of more pages than this is moved into the database while there is time. */
const LONG_PAGES = 1_000;
/** What the log begins with, and each of its pages; and where they name their generation. */
const LOG_HEADER = 32;
const PAGE_HEADER = 24;
const LOG_SALT = 16;
const PAGE_SALT = 8;
const SALT_LENGTH = 8;
/** A disk that takes less than this is done before the next answers are, milliseconds. */
const FAST_MS = 0.5;

type Done = (error: Error | null) => void;

/** What is done while there is time. */
export interface RestWork {
  /** Called when what nobody waited for did not get to disk. */
  failed(error: Error): void;
  /** Calls {@link LogSync.makeRoom} with the write lock. */
  makeRoom(): void;
  /** Moves the log into the database. @returns whether all of it: then it begins anew */
  checkpoint(): boolean;
}

/**
 * Takes to disk what was committed. SQLite writes a transaction to its log and lets others see it; this
 * syncs the log on another thread, so that neither the next transaction nor a worker that waits for the
 * job has to wait for the disk. Who was promised that it is on disk is answered after that. All who ask
 * while a sync runs share the next one.
 *
 * The log is not the database file: SQLite takes no lock on it that closing it here could drop, and while
 * this process has the database open the log is never another file.
 */
export class LogSync {
  readonly #fd: number;
  #waiting: Done[] = [];
  #running = false;
  #closed = false;
  #onIdle: (() => void) | undefined;
  readonly #work: RestWork;
  readonly #pageLength: number;
  #isShort = false;
  #restTimer: NodeJS.Timeout | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #lastTookMs = Infinity;

  /** Whether the last sync took little time. */
  get isFast(): boolean {
    return this.#lastTookMs < FAST_MS;
  }

  /**
   * @param pageBytes - of the database
   */
  constructor(databasePath: string, pageBytes: number, work: RestWork) {
    this.#fd = openSync(`${databasePath}-wal`, "r+");
    this.#pageLength = PAGE_HEADER + pageBytes;
    this.#work = work;
  }

  /**
   * Makes the log longer by zeros when it is nearly full: a sync of bytes that are written over takes half the
   * time of one that has to note a new length as well. SQLite reads its log up to the first page that is
   * not of its generation, and nobody else writes to it now: only to be called by who has the write lock.
   *
   * @param hurry - others wait: rather much now than again soon
   */
  makeRoom(hurry: boolean): void {
    if (!this.#isShort) return;
    // Another process may have done it meanwhile.
    this.#isShort = this.#nearlyFull();
    if (!this.#isShort) return;
    const room = hurry ? ROOM : REST_ROOM;
    this.#isShort = false;
    try {
      writeSync(this.#fd, room, 0, room.length, fstatSync(this.#fd).size);
    } catch (error) {
      // What is to be committed now may still have its place.
      if (!isNoSpace(error)) throw error;
    }
  }

  /** Whether a page near the end is in use: it then is of the same generation as the log. */
  #nearlyFull(): boolean {
    const { size } = fstatSync(this.#fd);
    if (size < LOG_HEADER || size >= ROOM_LIMIT) return false;
    return this.#isInUse(Math.max(0, Math.floor((size - SHORT - LOG_HEADER) / this.#pageLength)));
  }

  #isInUse(number: number): boolean {
    const page = LOG_HEADER + number * this.#pageLength;
    return this.#salt(LOG_SALT).equals(this.#salt(page + PAGE_SALT));
  }

  #salt(position: number): Buffer {
    const salt = Buffer.alloc(SALT_LENGTH);
    readSync(this.#fd, salt, 0, SALT_LENGTH, position);
    return salt;
  }

  /** Calls back when all is on disk that was to go there: at once when nothing is. */
  whenIdle(then: () => void): void {
    if (this.#syncTimer !== undefined) this.#syncUnawaited();
    if (this.#running) this.#onIdle = then;
    else then();
  }

  /** Calls back when all that was committed until now is on disk. */
  request(done: Done): void {
    this.#waiting.push(done);
    if (!this.#running) this.#run();
  }

  #run(): void {
    const served = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    const since = performance.now();
    fdatasync(this.#fd, (error) => {
      this.#lastTookMs = performance.now() - since;
      for (const done of served) done(error);
      this.#running = false;
      if (this.#waiting.length > 0) this.#run();
      else this.#served();
    });
    this.#isShort ||= this.#nearlyFull();
  }

  /** Something was committed. */
  written(): void {
    this.#restTimer ??= setTimeout(() => this.#rest(), REST_MS);
    this.#restTimer.refresh();
  }

  /**
   * What was committed goes to disk soon, though nobody is promised that: SQLite would sync it when it moves
   * the log into the database, and all would wait.
   */
  syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => this.#syncUnawaited(), UNAWAITED_MS);
  }

  #syncUnawaited(): void {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    this.request((error) => this.#tried(error));
  }

  /** @returns whether to go on */
  #tried(error: Error | null): boolean {
    if (this.#closed) return false;
    if (error !== null) this.#work.failed(error);
    return error === null;
  }

  /** Nobody waits for the disk any more. */
  #served(): void {
    if (this.#closed) closeSync(this.#fd);
    const idle = this.#onIdle;
    this.#onIdle = undefined;
    idle?.();
  }

  #rest(): void {
    if (this.#running) this.written();
    else if (this.#isInUse(LONG_PAGES))
      // Synced by now, so that only the database is left to be waited for.
      this.request((error) => {
        if (this.#tried(error)) this.#isShort = !this.#work.checkpoint() && this.#nearlyFull();
      });
    else {
      this.#isShort = this.#nearlyFull();
      if (this.#isShort) this.#work.makeRoom();
    }
  }

  /** Lets go of the file, when the sync that runs has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#restTimer);
    clearTimeout(this.#syncTimer);
    if (!this.#running) closeSync(this.#fd);
  }
}
