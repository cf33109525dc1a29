import { closeSync, fdatasync, fstatSync, openSync, writeSync } from "node:fs";

/** How much the log is made longer at once, and how long it may get that way, bytes. */
const ROOM = Buffer.alloc(1_048_576);
const ROOM_LIMIT = 32 * ROOM.length;
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
  #lengthSeen: number;
  #lastTookMs = Infinity;

  /** Whether the last sync took little time. */
  get isFast(): boolean {
    return this.#lastTookMs < FAST_MS;
  }

  constructor(databasePath: string) {
    this.#fd = openSync(`${databasePath}-wal`, "r+");
    this.#lengthSeen = fstatSync(this.#fd).size;
  }

  /**
   * Makes the log longer by zeros when it grew since the last time: a sync of bytes that are written over
   * takes half the time of one that has to note a new length as well. SQLite reads its log up to the first
   * frame that is none, and nobody else writes to it now: only to be called by who has the write lock.
   */
  makeRoom(): void {
    const { size } = fstatSync(this.#fd);
    const grown = size - this.#lengthSeen;
    // What grew by more was given room by another process.
    const needed = grown > 0 && grown < ROOM.length && size < ROOM_LIMIT;
    this.#lengthSeen = needed ? size + writeSync(this.#fd, ROOM, 0, ROOM.length, size) : size;
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
  }

  /** Nobody waits any more. */
  #rest(): void {
    if (this.#closed) closeSync(this.#fd);
    const idle = this.#onIdle;
    this.#onIdle = undefined;
    idle?.();
  }

  /** Lets go of the file, when the sync that runs has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#running) closeSync(this.#fd);
  }
}
