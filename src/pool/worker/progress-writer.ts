import { writeSync as nodeWriteSync } from "node:fs";

import { PROGRESS_BYTES, ProgressState } from "../progress.ts";

/** Writes the progress record of this worker (progress.ts has its meaning). */
export interface ProgressWriter {
  /**
   * Before a task is begun.
   *
   * @param taken - tasks taken before this one
   * @param isAnnounced - whether the pool may have to know that this task has begun
   * @param nowMs - about now; used to bound the share of the time that announcing takes
   */
  starting(taken: number, isAnnounced: boolean, nowMs: number): void;
  /** The tasks of a turn have been started. */
  idle(taken: number): void;
  /** The worker exits: no other task begins. */
  exiting(taken: number): void;
}

/** A thread writes to memory that it shares with the pool, at no cost: every task is announced. */
export class SharedProgress implements ProgressWriter {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
    this.idle(0);
  }

  // The count first: for a moment the pool may count one task too many as begun, never one too few.
  starting(taken: number): void {
    Atomics.store(this.#words, 0, taken);
    Atomics.store(this.#words, 1, ProgressState.STARTING);
  }

  idle(taken: number): void {
    Atomics.store(this.#words, 0, taken);
    Atomics.store(this.#words, 1, ProgressState.IDLE);
  }

  exiting(taken: number): void {
    this.idle(taken);
  }
}

/** Descriptor 4 of a worker process. */
const PROGRESS_FD = 4;
/** A write takes 1.5 µs: this many writes per millisecond are 3 % of the time. */
const WRITES_PER_MS = 20;
const MAX_SAVED = 400;
/** A task takes two writes at most. */
const TASK_WRITES = 2;

const writeSync = nodeWriteSync;

/**
 * A process writes to a file. If there are more tasks to announce than the share of time for writes
 * allows, the record says that it is inexact until enough time has passed.
 */
export class FileProgress implements ProgressWriter {
  readonly #words = new Uint32Array(2);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #state: number = ProgressState.INEXACT;
  #saved = MAX_SAVED;
  #savedAtMs = 0;
  #isSuspended = false;
  #isBroken = false;

  starting(taken: number, isAnnounced: boolean, nowMs: number): void {
    if (isAnnounced && this.#mayWrite(nowMs)) this.#write(taken, ProgressState.STARTING);
    else if (this.#state !== ProgressState.INEXACT) this.#write(taken, ProgressState.INEXACT);
  }

  idle(taken: number): void {
    if (this.#state === ProgressState.STARTING) this.#write(taken, ProgressState.IDLE);
  }

  exiting(taken: number): void {
    this.#write(taken, ProgressState.IDLE);
  }

  #mayWrite(nowMs: number): boolean {
    this.#saved = Math.min(MAX_SAVED, this.#saved + (nowMs - this.#savedAtMs) * WRITES_PER_MS);
    this.#savedAtMs = nowMs;
    if (this.#isSuspended && this.#saved < MAX_SAVED / 2) return false;
    this.#isSuspended = this.#saved < TASK_WRITES;
    return !this.#isSuspended;
  }

  #write(taken: number, state: number): void {
    if (this.#isBroken) return;
    this.#saved -= 1;
    this.#state = state;
    this.#words[0] = taken;
    this.#words[1] = state;
    try {
      writeSync(PROGRESS_FD, this.#bytes, 0, PROGRESS_BYTES, 0);
    } catch {
      // Without the file, or without space for it, the pool finds no record and works without it.
      this.#isBroken = true;
    }
  }
}
