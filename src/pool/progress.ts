/**
 * The progress record of a worker: memory that worker and pool share at any time, even while the
 * worker's event loop is blocked or its process is stopped, and after its death. A thread shares the
 * memory itself, a process uses an unlinked file.
 *
 *     word 0: tasks taken from the worker's queue, in the order they were sent, without the one below
 *             (30 bits), and the state (2 bits)
 *     words 1, 2: the pool took the tasks after word 1 up to word 2 back, unless they have begun
 *
 * Only the worker writes word 0, at moments when no other code of the worker runs:
 *
 * | state | written | meaning for the pool |
 * |---|---|---|
 * | INEXACT | before tasks are begun without announcing each one | more tasks may have begun than word 0 says |
 * | IDLE | when the tasks of a turn have been started | exactly those tasks have begun; none is in its synchronous start |
 * | STARTING | before a task is begun | the next task has begun, and its function has not returned yet |
 *
 * Only the pool writes words 1 and 2. To take tasks back it writes these words, then reads word 0; to
 * begin a task the worker writes word 0, then reads these words. One of the two sees the other: a
 * task never begins after the pool has taken it. A worker that writes nothing before it begins a task
 * left the state INEXACT earlier, and from a record in that state the pool takes nothing.
 */
export const ProgressState = { INEXACT: 0, IDLE: 1, STARTING: 2 } as const;

export const PROGRESS_BYTES = 12;
/** The bytes that the worker writes; those of the pool follow. */
export const WORKER_BYTES = 4;

/** The pool's knowledge of the tasks that a worker has begun. */
export interface Progress {
  /** Every task up to this number, and no other, has begun; `undefined` if that is not known. */
  readonly begun: number | undefined;
  /** The number of the task whose function was called and has not returned; 0 if there is none. */
  readonly starting: number;
}

export const UNKNOWN_PROGRESS: Progress = { begun: undefined, starting: 0 };

/** The pool's side of a progress record. */
export interface ProgressRecord {
  /** Reads it, even after the worker's death. `told`: the tasks that the worker has reported. */
  read(told: number): Progress;
  /** Takes the tasks after one number and up to another back; `read` then says which have begun. */
  takeBack(after: number, upTo: number): void;
  close(): void;
}

/** The pool works without a record, too, but knows less about a blocked worker. */
export const NO_RECORD: ProgressRecord = {
  read: () => UNKNOWN_PROGRESS,
  takeBack: () => undefined,
  close: () => undefined,
};

const STATE_BITS = 2;
const STATE_MASK = 3;
const COUNT_MASK = 2 ** 30 - 1;
/**
 * The most tasks that a record may be ahead of the last report: with more it is no record of this
 * worker.
 */
const MAX_AHEAD = 2 ** 29;

/** Word 0. */
export function progressWord(taken: number, state: number): number {
  return ((taken << STATE_BITS) | state) >>> 0;
}

/**
 * Reads word 0.
 *
 * @param told - the number up to which the worker has reported its tasks, which is not limited to 30 bits
 */
export function progressOf(word: number, told: number): Progress {
  const state = word & STATE_MASK;
  const isStarting = state === ProgressState.STARTING;
  if (!isStarting && state !== ProgressState.IDLE) return UNKNOWN_PROGRESS;
  // A report counts the task that is starting: the record may be one behind it.
  const ahead = ((word >>> STATE_BITS) + (isStarting ? 1 : 0) - told) & COUNT_MASK;
  if (ahead >= MAX_AHEAD) return UNKNOWN_PROGRESS;
  const begun = told + ahead;
  return { begun, starting: isStarting ? begun : 0 };
}

/** Whether words 1 and 2 say that the pool took this task back. */
export function isTakenBack(number: number, after: number, upTo: number): boolean {
  return (number - after - 1) >>> 0 < (upTo - after) >>> 0;
}
