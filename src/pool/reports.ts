import { newelError } from "../base/errors.ts";
import { nextTick } from "../base/globals.ts";
import type { BlockedWorker } from "./blocked-watch.ts";
import type { ResultInfo } from "./options.ts";
import { ANY_WORKER } from "./task.ts";

/** The worker, and for a task of `put` the task, that an error belongs to. */
export interface ErrorInfo<Task = unknown> {
  readonly worker: number;
  readonly task?: Task;
}

/** The listeners of a pool. */
export interface Listeners {
  readonly name: string;
  /** The `onError` of the pool's options. */
  readonly onError: ((error: unknown, info: ErrorInfo) => void) | undefined;
  /** Whether `error` has listeners. */
  hearsErrors(): boolean;
  emitError(error: unknown): void;
  /** Returns whether there are listeners. */
  emitBlocked(blocked: BlockedWorker): boolean;
  /** Returns whether there are listeners. */
  emitMessage(value: unknown, info: ResultInfo): boolean;
}

/** Reports to the program what no promise reports: to its callbacks, its listeners, or by a warning. */
export class Reports {
  readonly #listeners: Listeners;

  constructor(listeners: Listeners) {
    this.#listeners = listeners;
  }

  /**
   * An error without a promise. Emitted in a separate turn: an `error` event without a listener ends
   * the program, not the current operation.
   */
  error(error: unknown, info: ErrorInfo): void {
    const listeners = this.#listeners;
    nextTick(() => {
      if (listeners.onError === undefined) listeners.emitError(error);
      else listeners.onError(error, info);
    });
  }

  /** A problem that must not end a program without an `error` listener. */
  trouble(error: Error): void {
    const listeners = this.#listeners;
    if (listeners.onError === undefined && !listeners.hearsErrors()) process.emitWarning(error);
    else this.error(error, { worker: ANY_WORKER });
  }

  blocked(blocked: BlockedWorker): void {
    const { name } = this.#listeners;
    if (this.#listeners.emitBlocked(blocked)) return;
    const { worker, pid, blockedMs } = blocked;
    const tasks = blocked.tasks.map(({ task, runMs }) => `${task} (${runMs} ms)`).join(", ");
    const facts = { pool: name, worker, pid, blockedMs, tasks };
    process.emitWarning(newelError("NEWEL_E_POOL_BLOCKED", facts));
  }

  /** Returns whether there are listeners. */
  message(value: unknown, info: ResultInfo): boolean {
    try {
      return this.#listeners.emitMessage(value, info);
    } catch (error) {
      this.error(error, info);
      return true;
    }
  }
}
