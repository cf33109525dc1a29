import type { AsyncLocalStorage } from "node:async_hooks";

import type { TaskContext } from "./define-worker.ts";

/** The runtime values of a running worker for its class; set before `initialise`. */
export interface WorkerRuntime {
  readonly workerNumber: number;
  readonly pool: string;
  readonly data: unknown;
  /** The task to which the calling code belongs. */
  readonly current: AsyncLocalStorage<{ post(message: unknown): Promise<void>; finish(): void }>;
  post(message: unknown): Promise<void>;
}

// oxlint-disable typescript/no-unnecessary-type-parameters -- the module's types are read off the class
/**
 * A worker as a class, with the names of Looppool. Its default export is the worker; `defineWorker`
 * is the shorter form.
 *
 * A task is done when the return value of `processMessage` settles, or earlier when `taskDone` is
 * called. The result of the task is that return value; other results are sent by `put`.
 */
export abstract class Worker<Task = unknown, Result = void, Message = never, Data = unknown> {
  #runtime: WorkerRuntime | undefined;

  /** The worker number, from 0. */
  get number(): number {
    return this.#known.workerNumber;
  }

  /** The static data of the pool. */
  get data(): Data {
    return this.#known.data as Data;
  }

  /** Called once, before the first message. */
  initialise(): void | PromiseLike<void> {}

  /** Called for each task; if it is asynchronous many calls run at a time. */
  abstract processMessage(
    task: Task,
    context: TaskContext<undefined, Message, Data>,
  ): Result | PromiseLike<Result>;

  /** Called after the last message. */
  finish(): void | PromiseLike<void> {}

  /** Sends a result to the pool; resolves when there is room for it. */
  put(message: Message): Promise<void> {
    const task = this.#known.current.getStore();
    return task === undefined ? this.#known.post(message) : task.post(message);
  }

  /** Ends the task of the calling code, even if `processMessage` continues. */
  taskDone(): void {
    this.#known.current.getStore()?.finish();
  }

  /** @internal */
  _attach(runtime: WorkerRuntime): void {
    this.#runtime = runtime;
  }

  get #known(): WorkerRuntime {
    if (this.#runtime === undefined)
      throw new TypeError("A Worker is made by its pool; use it from initialise() on.");
    return this.#runtime;
  }
}
