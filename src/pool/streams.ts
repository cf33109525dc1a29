import { discardBody } from "./body.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { StreamOptions } from "./options.ts";
import type { Requests } from "./requests.ts";
import type { Task, TaskRequest } from "./task.ts";
import { TaskStream } from "./task-stream.ts";

/** The pool of the streams. */
export interface StreamPool {
  /**
   * The pool accepts one more task now.
   *
   * @throws NEWEL_E_POOL_CLOSED; NEWEL_E_CANCELLED when the signal has aborted
   */
  open(signal: AbortSignal | undefined): void;
}

/** Tasks whose items are read as a stream. */
export class Streams {
  readonly #requests: Requests;
  readonly #dispatcher: Dispatcher;
  readonly #pool: StreamPool;

  constructor(requests: Requests, dispatcher: Dispatcher, pool: StreamPool) {
    this.#requests = requests;
    this.#dispatcher = dispatcher;
    this.#pool = pool;
  }

  /**
   * Copies a task, which starts when the first item is requested.
   *
   * @param kind - the `TaskFlag`s
   * @throws NEWEL_E_NOT_SENDABLE, NEWEL_E_POOL_OPTION
   */
  read(task: unknown, options: StreamOptions, kind: number): TaskStream {
    const request: TaskRequest = this.#requests.make(
      task,
      options,
      false,
      () => stream.end(),
      (error) => stream.fail(error),
      kind,
      (item, bytes) => stream.push(item, bytes),
    );
    const stream = new TaskStream({
      start: () => this.#start(request, options),
      credit: (running, amount) => running.worker?.giveItemCredit(running, amount),
      leave: (running) => this.#dispatcher.leave(running),
      forget: () => discardBody(request.body),
    });
    return stream;
  }

  #start(request: TaskRequest, options: StreamOptions): Task {
    const signal = options.signal ?? undefined;
    try {
      this.#pool.open(signal);
    } catch (error) {
      discardBody(request.body);
      throw error;
    }
    return this.#dispatcher.submit(request, signal, this.#requests.timeoutMs(options));
  }
}
