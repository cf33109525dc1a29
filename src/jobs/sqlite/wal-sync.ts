import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";

import { isNoSpace } from "./database-errors.ts";
import {
  FRAME_HEADER,
  FRAME_SALT,
  FrameCounter,
  SALT_LENGTH,
  WAL_HEADER,
  WAL_SALT,
} from "./wal-frames.ts";

/**
 * The number of zeros appended to the WAL at once, under load or when idle, and the largest WAL that gets them, in
 * bytes.
 */
const ROOM = Buffer.alloc(1_048_576);
const REST_ROOM = ROOM.subarray(0, 262_144);
const ROOM_LIMIT = 32 * ROOM.length;
/** With less space than this left the WAL is extended, in bytes. */
const SHORT = 131_072;
/** The idle time after the last commit before idle work starts, in milliseconds. */
const REST_MS = 5;
/** A commit that no caller waits for is synced within this, milliseconds. */
const UNAWAITED_MS = 1_000;
/**
 * A WAL of more frames than the first number is checkpointed when idle; of more than the second within the turn of a
 * commit.
 */
const LONG_FRAMES = 1_000;
const TOO_LONG_FRAMES = 6_000;
/** A sync shorter than this ends before the next answers are ready, in milliseconds. */
const FAST_MS = 0.5;
/** How many frames are read and written at once when all frames are rewritten. */
const FRAMES_AT_ONCE = 256;

type Done = (error: Error | null) => void;

/** The work that a {@link WalSync} leaves to its owner. */
export interface WalWork {
  /**
   * A sync failed. @returns `null` when all frames were made safe in another way, else the error for the
   * waiting calls
   */
  failed(error: Error): Error | null;
  /** Calls {@link WalSync.preallocate} with the write lock. */
  preallocate(): void;
  /** Checkpoints the WAL. @returns whether the whole WAL was copied, so that it starts over */
  checkpoint(): boolean;
}

/**
 * Syncs committed frames of the WAL. SQLite writes a transaction to the WAL and lets others see it; this
 * class syncs the file on another thread, so that neither the next transaction nor a worker that waits for the
 * job waits for the disk. A call with a promise of durability is answered after the sync. All
 * requests that arrive while a sync runs share the next one.
 *
 * Opening and closing the WAL here is safe: SQLite takes no POSIX lock on it that closing it could drop, and
 * same-file.ts checks that it is still the file at its path.
 */
export class WalSync {
  readonly #fd: number;
  #waiting: Done[] = [];
  #running = false;
  #closed = false;
  #onIdle: (() => void) | undefined;
  readonly #work: WalWork;
  readonly #pageBytes: number;
  readonly #frameLength: number;
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
  constructor(databasePath: string, pageBytes: number, work: WalWork) {
    this.#fd = openSync(`${databasePath}-wal`, "r+");
    this.#pageBytes = pageBytes;
    this.#frameLength = FRAME_HEADER + pageBytes;
    this.#work = work;
  }

  /**
   * Extends the WAL with zeros when it is nearly full: a sync of overwritten bytes takes half the
   * time of a sync that also has to store a new length. SQLite reads its WAL up to the first frame with
   * another salt. Call it only with the write lock, so that no other process writes to the WAL.
   *
   * @param hurry - callers wait, so extend by a large step now instead of again soon
   */
  preallocate(hurry: boolean): void {
    if (!this.#isShort) return;
    // Another process may have done it since.
    this.#isShort = this.#nearlyFull();
    if (!this.#isShort) return;
    const room = hurry ? ROOM : REST_ROOM;
    this.#isShort = false;
    try {
      writeSync(this.#fd, room, 0, room.length, fstatSync(this.#fd).size);
    } catch (error) {
      // There may still be room for the commit itself.
      if (!isNoSpace(error)) throw error;
    }
  }

  /** Whether the WAL is so long that it has to be checkpointed although callers wait. */
  get isTooLong(): boolean {
    return this.#isInUse(TOO_LONG_FRAMES);
  }

  /** Whether a frame near the end is in use: it then has the salt of the header. */
  #nearlyFull(): boolean {
    const { size } = fstatSync(this.#fd);
    if (size < WAL_HEADER || size >= ROOM_LIMIT) return false;
    return this.#isInUse(Math.max(0, Math.floor((size - SHORT - WAL_HEADER) / this.#frameLength)));
  }

  #isInUse(number: number): boolean {
    const frame = WAL_HEADER + number * this.#frameLength;
    return this.#salt(WAL_SALT).equals(this.#salt(frame + FRAME_SALT));
  }

  #salt(position: number): Buffer {
    const salt = Buffer.alloc(SALT_LENGTH);
    readSync(this.#fd, salt, 0, SALT_LENGTH, position);
    return salt;
  }

  /**
   * Writes all frames again, with the same bytes, and syncs them. After a failed sync Linux takes the pages for
   * clean although they are not on disk (fsync(2), "Handling of errors"), so another sync alone proves
   * nothing. Call it only with the write lock.
   *
   * @param least - the lowest possible number of frames, by the index of the WAL
   * @throws the error of the system; an error when frames can no longer be read as they were written
   */
  rewrite(least: number): void {
    const header = Buffer.alloc(WAL_HEADER);
    const length = readSync(this.#fd, header, 0, WAL_HEADER, 0);
    const counter = new FrameCounter(header.subarray(0, length), this.#pageBytes);
    if (!counter.ended) this.#writeAll(header, 0);
    const chunk = Buffer.alloc(FRAMES_AT_ONCE * this.#frameLength);
    while (!counter.ended) {
      const before = counter.count;
      const position = WAL_HEADER + before * this.#frameLength;
      counter.add(chunk.subarray(0, readSync(this.#fd, chunk, 0, chunk.length, position)));
      if (counter.count === before) break;
      this.#writeAll(chunk.subarray(0, (counter.count - before) * this.#frameLength), position);
    }
    if (counter.count < least)
      throw new Error(`of ${least} frames of the WAL only ${counter.count} can be read`);
    fdatasyncSync(this.#fd);
  }

  #writeAll(bytes: Buffer, position: number): void {
    for (let at = 0; at < bytes.length;)
      at += writeSync(this.#fd, bytes, at, bytes.length - at, position + at);
  }

  /** Calls back when all commits with a promise of durability are on disk: at once when none is pending. */
  whenIdle(then: () => void): void {
    if (this.#syncTimer !== undefined) this.#syncUnawaited();
    if (this.#running) this.#onIdle = then;
    else then();
  }

  /** Calls back when all commits until now are on disk, or with the error. */
  request(done: Done): void {
    if (this.#closed) {
      done(Object.assign(new Error("the file was closed after an error"), { code: "EBADF" }));
      return;
    }
    this.#waiting.push(done);
    if (!this.#running) this.#run();
  }

  /**
   * Does the same on this thread and calls back before it returns, if no sync runs and the disk is fast: two changes of
   * threads take nearly as long as such a sync. It suits a call that came alone, since other calls wait until then.
   */
  requestNow(done: Done): void {
    if (this.#running || this.#closed || !this.isFast) {
      this.request(done);
      return;
    }
    this.#running = true;
    const since = performance.now();
    let problem: Error | null = null;
    try {
      fdatasyncSync(this.#fd);
    } catch (error) {
      problem = error as Error;
    }
    this.#ended([done], since, problem);
    this.#isShort ||= !this.#closed && this.#nearlyFull();
  }

  #run(): void {
    const served = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    const since = performance.now();
    fdatasync(this.#fd, (error) => this.#ended(served, since, error));
    this.#isShort ||= this.#nearlyFull();
  }

  #ended(served: readonly Done[], since: number, error: Error | null): void {
    this.#lastTookMs = performance.now() - since;
    const left = error === null ? null : this.#work.failed(error);
    for (const done of served) done(left);
    this.#running = false;
    if (this.#waiting.length > 0) this.#run();
    else this.#served();
  }

  /** Frames were committed. */
  written(): void {
    this.#restTimer ??= setTimeout(() => this.#rest(), REST_MS);
    this.#restTimer.refresh();
  }

  /**
   * Syncs commits without a promise of durability soon. Otherwise SQLite would sync them at the next checkpoint, and
   * all
   * calls would wait for it.
   */
  syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => this.#syncUnawaited(), UNAWAITED_MS);
  }

  #syncUnawaited(): void {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    this.request(() => undefined);
  }

  /** Called when no request is pending any more. */
  #served(): void {
    if (this.#closed) closeSync(this.#fd);
    const idle = this.#onIdle;
    this.#onIdle = undefined;
    idle?.();
  }

  #rest(): void {
    if (this.#running) this.written();
    else if (this.#isInUse(LONG_FRAMES))
      // The WAL is synced by now, so that the checkpoint waits only for the database.
      this.request((error) => {
        if (error !== null || this.#closed) return;
        this.#isShort = !this.#work.checkpoint() && this.#nearlyFull();
      });
    else {
      this.#isShort = this.#nearlyFull();
      if (this.#isShort) this.#work.preallocate();
    }
  }

  /** Closes the file when the running sync has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#restTimer);
    clearTimeout(this.#syncTimer);
    if (!this.#running) closeSync(this.#fd);
  }
}
