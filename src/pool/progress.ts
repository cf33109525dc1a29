/**
 * The progress record of a worker: memory that the worker writes and the pool reads at any time,
 * even while the worker's event loop is blocked, and after its death. A thread shares the memory
 * itself, a process writes to an unlinked file.
 *
 *     word 0: tasks taken from the worker's queue, in the order they were sent, without the one below
 *     word 1: the state
 *
 * Only the worker writes it, at moments when no other code of the worker runs:
 *
 * | state | written | meaning for the pool |
 * |---|---|---|
 * | INEXACT | before tasks are begun without announcing each one | more tasks may have begun than word 0 says |
 * | IDLE | when the tasks of a turn have been started | exactly word 0 tasks have begun; none is in its synchronous start |
 * | STARTING | before a task is begun | the task after word 0 has begun, and its function has not returned yet |
 */
export const ProgressState = { INEXACT: 0, IDLE: 1, STARTING: 2 } as const;

export const PROGRESS_BYTES = 8;

/** The pool's knowledge of the tasks that a worker has begun. */
export interface Progress {
  /** Every task up to this number, and no other, has begun; `undefined` if that is not known. */
  readonly begun: number | undefined;
  /** The number of the task whose function was called and has not returned; 0 if there is none. */
  readonly starting: number;
}

export const UNKNOWN_PROGRESS: Progress = { begun: undefined, starting: 0 };

/**
 * The most tasks that a record may be ahead of the last report: with more it is no record of this
 * worker.
 */
const MAX_AHEAD = 2 ** 31;

/**
 * Reads a record's two words, which are of 32 bits.
 *
 * @param told - the number up to which the worker has reported its tasks, which is not limited to 32 bits
 */
export function progressOf(taken: number, state: number, told: number): Progress {
  const isStarting = state === ProgressState.STARTING;
  if (!isStarting && state !== ProgressState.IDLE) return UNKNOWN_PROGRESS;
  // A report counts the task that is starting: the record may be one behind it.
  const ahead = (taken + (isStarting ? 1 : 0) - told) >>> 0;
  if (ahead >= MAX_AHEAD) return UNKNOWN_PROGRESS;
  const begun = told + ahead;
  return { begun, starting: isStarting ? begun : 0 };
}
