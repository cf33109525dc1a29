import { hasCode } from "../base/errors.ts";
import { IncomingStream } from "../wire/incoming-stream.ts";
import { STREAM_WINDOW } from "./protocol.ts";
import type { Task } from "./task.ts";

/** The requests of a stream to its pool. */
export interface TaskStreamWork {
  /** Starts the task of the stream. */
  start(stream: TaskStream): Task;
  /** The reader has read this much of the task's items. */
  credit(task: Task, amount: number): void;
  /** The reader has enough. */
  leave(task: Task): void;
  /** The reader left before the task was started. */
  forget(): void;
}

/** The items of a task: it starts with the first `next`, and ends with the last item or `return`. */
export class TaskStream implements AsyncIterableIterator<unknown, undefined> {
  readonly #work: TaskStreamWork;
  readonly #items: IncomingStream;
  #task: Task | undefined;
  #isLeft = false;

  constructor(work: TaskStreamWork) {
    this.#work = work;
    this.#items = new IncomingStream(STREAM_WINDOW, {
      credit: (amount) => {
        if (this.#task !== undefined) work.credit(this.#task, amount);
      },
      cancel: () => this.#leave(),
    });
  }

  #leave(): void {
    this.#isLeft = true;
    if (this.#task === undefined) this.#work.forget();
    else this.#work.leave(this.#task);
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#task === undefined && !this.#isLeft)
      try {
        this.#task = this.#work.start(this);
      } catch (error) {
        this.#isLeft = true;
        this.#items.end();
        return Promise.reject(error);
      }
    return this.#items.next();
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    return this.#items.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** An item has arrived. */
  push(value: unknown, bytes: number): void {
    this.#items.push(value, bytes);
  }

  /** The task has ended. */
  end(): void {
    this.#items.end();
  }

  /** The task has failed. Items that its caller has given up are dropped. */
  fail(error: unknown): void {
    if (this.#isLeft) return;
    if (hasCode(error, "NEWEL_E_CANCELLED") || hasCode(error, "NEWEL_E_DEADLINE"))
      this.#items.drop();
    this.#items.fail(error);
  }
}
