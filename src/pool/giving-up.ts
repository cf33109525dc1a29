import { newelError } from "../base/errors.ts";
import type { Task } from "./task.ts";

/** The requests to the dispatcher. */
export interface GivingUpWork {
  /** The task is done. */
  settle(task: Task): void;
  fail(task: Task, error: Error): void;
  /** Removes a task that waits for a worker. */
  forget(task: Task): void;
}

/**
 * Tasks that their callers give up: cancelled ones, late ones, and streams whose reader has enough.
 * The caller has its answer at once, except with a grace: then the end of the task decides.
 */
export class GivingUp {
  readonly #work: GivingUpWork;

  constructor(work: GivingUpWork) {
    this.#work = work;
  }

  late(task: Task, limitMs: number): void {
    const error: ErrorOf = (how) =>
      newelError("NEWEL_E_DEADLINE", { ...named(task), limitMs, ...how });
    this.#giveUp(task, limitMs, undefined, error, () => this.#work.fail(task, error({})));
  }

  /** The caller of the task has cancelled it. */
  cancel(task: Task, reason: unknown): void {
    const error: ErrorOf = (how) =>
      newelError("NEWEL_E_CANCELLED", { ...named(task), ...how }, reason);
    this.#giveUp(task, 0, reason, error, () => this.#work.fail(task, error({})));
  }

  /** The reader of a stream has enough. */
  leave(task: Task): void {
    const error: ErrorOf = (how) => newelError("NEWEL_E_CANCELLED", { ...named(task), ...how });
    this.#giveUp(task, 0, undefined, error, () => this.#work.settle(task));
  }

  #giveUp(task: Task, limitMs: number, reason: unknown, error: ErrorOf, settle: () => void): void {
    // Only the first of a signal and a deadline counts.
    if (task.isSettled || task.pendingRejection !== undefined) return;
    const { worker, limits } = task;
    if (worker !== undefined && limits?.graceMs !== undefined) {
      task.pendingRejection = (how) => error({ how });
      worker.end(task, limitMs, reason, limits.graceMs());
      return;
    }
    settle();
    if (worker !== undefined) worker.cancel(task, limitMs, reason);
    else this.#work.forget(task);
  }
}

/** @param how - the end of the worker, if it had to be killed */
type ErrorOf = (how: { readonly how?: string }) => Error;

/** A task for the message and for the data of an error. */
function named({ sequence }: Task): { readonly what: string; readonly task: number } {
  return { what: `Task ${sequence}`, task: sequence };
}
