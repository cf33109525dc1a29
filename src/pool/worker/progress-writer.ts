import { readSync as nodeReadSync, writeSync as nodeWriteSync } from "node:fs";

import {
  isTakenBack,
  PROGRESS_BYTES,
  ProgressState,
  progressWord,
  WORKER_BYTES,
} from "../progress.ts";

/** Writes the progress record of this worker (progress.ts has its meaning). */
export interface ProgressWriter {
  /**
   * Before a task is begun; returns false if the pool took the task back, so that it must not begin.
   *
   * @param taken - tasks taken before this one
   * @param isLimited - whether the pool is likely to need to know that this task has begun
   * @param nowMs - about now; used to bound the share of the time that announcing takes
   */
  starting(taken: number, isLimited: boolean, nowMs: number): boolean;
  /** The tasks of a turn have been started. */
  idle(taken: number): void;
  /** The worker exits: no other task begins. */
  exiting(taken: number): void;
  /** Set by the runner; called when the record can no longer be written. */
  onBroken: () => void;
}

/** A thread writes to memory that it shares with the pool, at no cost: every task is announced. */
export class SharedProgress implements ProgressWriter {
  readonly #words: Int32Array;
  onBroken = (): void => undefined;

  constructor(words: Int32Array) {
    this.#words = words;
    this.idle(0);
  }

  starting(taken: number): boolean {
    Atomics.store(this.#words, 0, progressWord(taken, ProgressState.STARTING));
    const after = Atomics.load(this.#words, 1);
    return !isTakenBack(taken + 1, after, Atomics.load(this.#words, 2));
  }

  idle(taken: number): void {
    Atomics.store(this.#words, 0, progressWord(taken, ProgressState.IDLE));
  }

  exiting(taken: number): void {
    this.idle(taken);
  }
}

/** Descriptor 4 of a worker process. */
const PROGRESS_FD = 4;
/** A write with a read takes 2 µs: this many per millisecond are 4 % of the time. */
const WRITES_PER_MS = 20;
const MAX_SAVED = 400;
/** A task takes two writes at most. */
const TASK_WRITES = 2;

const readSync = nodeReadSync;
const writeSync = nodeWriteSync;

/** Whether one kind of tasks may use the saved writes. */
class Allowance {
  readonly #least: number;
  readonly #resume: number;
  #isSuspended = false;

  /**
   * @param least - the saved writes at which these tasks are announced no longer
   * @param resume - the saved writes at which they are announced again
   */
  constructor(least: number, resume: number) {
    this.#least = least;
    this.#resume = resume;
  }

  allows(saved: number): boolean {
    this.#isSuspended = saved < (this.#isSuspended ? this.#resume : this.#least);
    return !this.#isSuspended;
  }
}

/**
 * A process writes to a file. If there are more tasks to announce than the share of time for writes
 * allows, the record says that it is inexact until enough time has passed. Half of the writes are
 * reserved for tasks that may be given up.
 */
export class FileProgress implements ProgressWriter {
  readonly #words = new Uint32Array(PROGRESS_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #limited = new Allowance(TASK_WRITES, MAX_SAVED / 2);
  readonly #others = new Allowance(MAX_SAVED / 2, MAX_SAVED);
  #state: number = ProgressState.INEXACT;
  #saved = MAX_SAVED;
  #savedAtMs = 0;
  #isBroken = false;
  onBroken = (): void => undefined;

  constructor() {
    this.#write(0, ProgressState.IDLE);
  }

  starting(taken: number, isLimited: boolean, nowMs: number): boolean {
    if (this.#mayWrite(isLimited, nowMs)) this.#write(taken, ProgressState.STARTING);
    else if (this.#state !== ProgressState.INEXACT) this.#write(taken, ProgressState.INEXACT);
    return !isTakenBack(taken + 1, this.#words[1] ?? 0, this.#words[2] ?? 0);
  }

  idle(taken: number): void {
    if (this.#state === ProgressState.STARTING) this.#write(taken, ProgressState.IDLE);
  }

  exiting(taken: number): void {
    this.#write(taken, ProgressState.IDLE);
  }

  #mayWrite(isLimited: boolean, nowMs: number): boolean {
    this.#saved = Math.min(MAX_SAVED, this.#saved + (nowMs - this.#savedAtMs) * WRITES_PER_MS);
    this.#savedAtMs = nowMs;
    return (isLimited ? this.#limited : this.#others).allows(this.#saved);
  }

  /** Writes word 0, then reads the words of the pool. */
  #write(taken: number, state: number): void {
    if (this.#isBroken) return;
    this.#saved -= 1;
    this.#state = state;
    this.#words[0] = progressWord(taken, state);
    try {
      writeSync(PROGRESS_FD, this.#bytes, 0, WORKER_BYTES, 0);
      // No task begins between this state and the next.
      if (state === ProgressState.IDLE) return;
      readSync(PROGRESS_FD, this.#bytes, WORKER_BYTES, PROGRESS_BYTES - WORKER_BYTES, WORKER_BYTES);
    } catch {
      // Other code of the worker closed the descriptor: the record must not be believed any more.
      this.#isBroken = true;
      this.onBroken();
    }
  }
}
