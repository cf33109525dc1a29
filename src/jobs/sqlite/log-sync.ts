import { closeSync, fdatasync, fstatSync, openSync, readSync, writeSync } from "node:fs";

/** How much the log is made longer at once, by one who works or who rests; how long it may get, bytes. */
const ROOM = Buffer.alloc(1_048_576);
const REST_ROOM = ROOM.subarray(0, 262_144);
const ROOM_LIMIT = 32 * ROOM.length;
/** With less than this left the log is to be made longer, bytes. */
const SHORT = 131_072;
/** After a commit without a sync one rests so soon, milliseconds. */
const REST_MS = 3;
/** What the log begins with, and each of its pages; and where they name their generation. */
const LOG_HEADER = 32;
const PAGE_HEADER = 24;
const LOG_SALT = 16;
const PAGE_SALT = 8;
const SALT_LENGTH = 8;
/** A disk that takes less than this is done before the next answers are, milliseconds. */
const FAST_MS = 0.5;

type Done = (error: Error | null) => void;

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
  readonly #onShort: () => void;
  readonly #pageLength: number;
  #isShort = false;
  #restTimer: NodeJS.Timeout | undefined;
  #lastTookMs = Infinity;

  /** Whether the last sync took little time. */
  get isFast(): boolean {
    return this.#lastTookMs < FAST_MS;
  }

  /**
   * @param pageBytes - of the database
   * @param onShort - called when nobody waits for the disk and room is to be made
   */
  constructor(databasePath: string, pageBytes: number, onShort: () => void) {
    this.#fd = openSync(`${databasePath}-wal`, "r+");
    this.#pageLength = PAGE_HEADER + pageBytes;
    this.#onShort = onShort;
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
    writeSync(this.#fd, room, 0, room.length, fstatSync(this.#fd).size);
    this.#isShort = false;
  }

  /** Whether a page near the end is in use: it then is of the same generation as the log. */
  #nearlyFull(): boolean {
    const { size } = fstatSync(this.#fd);
    if (size < LOG_HEADER || size >= ROOM_LIMIT) return false;
    const number = Math.max(0, Math.floor((size - SHORT - LOG_HEADER) / this.#pageLength));
    const page = LOG_HEADER + number * this.#pageLength;
    return this.#salt(LOG_SALT).equals(this.#salt(page + PAGE_SALT));
  }

  #salt(position: number): Buffer {
    const salt = Buffer.alloc(SALT_LENGTH);
    readSync(this.#fd, salt, 0, SALT_LENGTH, position);
    return salt;
  }

  /** Calls back when everybody was served: at once when nobody waits. */
  whenIdle(then: () => void): void {
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
      else this.#rest();
    });
    this.#isShort ||= this.#nearlyFull();
  }

  /** Something was committed that nobody is promised on disk: whether room is needed is found out soon. */
  written(): void {
    this.#restTimer ??= setTimeout(() => {
      this.#restTimer = undefined;
      if (!this.#running) this.#rest();
    }, REST_MS);
  }

  /** Nobody waits any more. */
  #rest(): void {
    if (this.#closed) closeSync(this.#fd);
    const idle = this.#onIdle;
    this.#onIdle = undefined;
    idle?.();
    if (this.#closed) return;
    this.#isShort = this.#nearlyFull();
    if (this.#isShort) this.#onShort();
  }

  /** Lets go of the file, when the sync that runs has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#restTimer);
    if (!this.#running) closeSync(this.#fd);
  }
}
