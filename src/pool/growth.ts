/**
 * Decides periodically, while tasks wait, how many workers to start and which workers must return
 * tasks. Pure: a function of the pool's state.
 */

/**
 * Milliseconds that a task waits, in the pool or in a worker, before one more worker is started for
 * it.
 */
export const CROWDED_MS = 20;

/** A pool whose tasks wait. */
export interface Crowd {
  readonly max: number;
  /** Workers that run or are being started. */
  readonly size: number;
  readonly starting: number;
  /** Waiting tasks that any worker may run and that were sent to none. */
  readonly waiting: number;
  /** Waiting time of the oldest of them, in milliseconds. */
  readonly oldestMs: number;
  /** Tasks that wait in a worker which has sent nothing for {@link CROWDED_MS}. */
  readonly behind: number;
}

/**
 * The number of workers to start now: one for each task that waited too long and for which none is
 * being started, but at most doubling the pool at once, because many of the tasks may be short.
 */
export function growBy({ max, size, starting, waiting, oldestMs, behind }: Crowd): number {
  const late = (oldestMs >= CROWDED_MS ? waiting : 0) + behind;
  return Math.max(0, Math.min(max - size, late - starting, Math.max(1, size)));
}

/** The facts about a worker that decide whether it must return tasks. */
export interface Holder {
  /** The tasks that were sent to the worker and that, by its reports, it has not begun. */
  readonly unbegun: number;
  readonly silentMs: number;
  /** The worker was asked for its tasks and has not answered. */
  readonly isRecalled: boolean;
  /** Whether another worker can run its tasks. */
  readonly hasOthers: boolean;
}

/**
 * Whether a worker must return the tasks that it has not begun: it is computing, or its process is
 * stopped, and these tasks wait although another worker could run them.
 */
export function mustRecall({ unbegun, silentMs, isRecalled, hasOthers }: Holder): boolean {
  return hasOthers && !isRecalled && unbegun > 0 && silentMs >= CROWDED_MS;
}
