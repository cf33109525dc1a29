import type { AsyncLocalStorage } from "node:async_hooks";

import type { TaskContext } from "./define-worker.ts";

/** What a running worker gives its class; set before `initialise`. */
export interface WorkerRuntime {
  readonly workerNumber: number;
  readonly pool: string;
  readonly data: unknown;
  /** The task that the code calling belongs to. */
  readonly current: AsyncLocalStorage<{ post(message: unknown): Promise<void>; finish(): void }>;
  post(message: unknown): Promise<void>;
}

// oxlint-disable typescript/no-unnecessary-type-parameters -- the module's types are read off the class
/**
 * A worker as a class, with the names of Looppool. Its default export is the worker; `defineWorker`
 * is the shorter way.
 *
 * A task is done when what `processMessage` returned settles, or already when `taskDone` is called.
 * Its answer is what `processMessage` returned; anything else goes out by `put`.
 */
export abstract class Worker<Task = unknown, Result = void, Message = never, Data = unknown> {
  #runtime: WorkerRuntime | undefined;

  /** From 0. */
  get number(): number {
    return this.#known.workerNumber;
  }

  /** The static data of the pool. */
  get data(): Data {
    return this.#known.data as Data;
  }

  /** Called once, before the first message. */
  initialise(): void | PromiseLike<void> {}

  /** Called for each task; may be asynchronous, then many run at a time. */
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

  /** The task this is called from is done, whatever `processMessage` still does. */
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
