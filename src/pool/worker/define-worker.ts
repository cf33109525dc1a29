import type { Transferable } from "../transferable.ts";

/** The facts that a worker has about itself and its pool. */
export interface SetupContext<Data = unknown> {
  /** The worker number, from 0; a replacement after a crash has the number of its predecessor. */
  readonly workerNumber: number;
  /** The pool's name. */
  readonly pool: string;
  /** The static data of the pool's `data` option, copied for this worker. */
  readonly data: Data;
  /** Like {@link TaskContext.post}, for results without a task. */
  readonly post: (message: unknown) => Promise<void>;
}

/** The context that a task gets in addition to its argument. */
export interface TaskContext<State = unknown, Message = never, Data = unknown> {
  /** The number of this worker, from 0; a replacement has the number of its predecessor. */
  readonly workerNumber: number;
  /** The name of the pool. */
  readonly pool: string;
  /** The `data` of the pool's options. */
  readonly data: Data;
  /** The return value of `setup`. */
  readonly state: State;
  /**
   * Aborts when the caller cancelled the task or its time limit expired. Listen to it to end early
   * and free the permit in this worker: the caller has its answer by then, unless it set `graceMs`.
   * If the caller aborted with an error, that error is the signal's `reason`.
   */
  readonly signal: AbortSignal;
  /**
   * Sends a message to the pool: to its `onResult`, `on('message')` or async iteration. Resolves
   * when the pool has room for it; a task counts as running until all its messages have been sent.
   *
   * @throws NEWEL_E_NOT_SENDABLE
   * @throws NEWEL_E_LIMIT when 65,536 messages already wait: await the promise
   */
  readonly post: (message: Message) => Promise<void>;
  /**
   * Asks the caller of this task, whose `onAsk` answers; rejects with the error of `onAsk`.
   * Questions of a task reach it in their order.
   *
   * @throws NEWEL_E_POOL_NO_ANSWER when no answer can come: there is no `onAsk`, or the task is over
   * @throws NEWEL_E_NOT_SENDABLE
   * @throws NEWEL_E_LIMIT when 4,096 questions of this worker wait already
   */
  readonly ask: (question: unknown) => Promise<unknown>;
  /**
   * Marks memory of a result, item or message to be transferred instead of copied: `return
   * ctx.transfer(bytes, [bytes.buffer])`. It is detached in this worker afterwards. In a thread also
   * message ports and streams.
   */
  readonly transfer: <Value>(value: Value, memory: readonly Transferable[]) => Value;
}

/** The functions of a worker; the default export of a worker module. */
export interface WorkerDefinition<Task, Result, State, Message, Data> {
  /** Runs once before the first task; its return value is `ctx.state`. */
  setup?(context: SetupContext<Data>): State | PromiseLike<State>;
  /**
   * Runs for each task; many run at a time if it is asynchronous. A generator gives the items of
   * `pool.stream()`.
   */
  task(task: Task, context: TaskContext<State, Message, Data>): Result | PromiseLike<Result>;
  /** Runs after the last task, before a worker that was asked to leave exits. */
  teardown?(state: State): void | PromiseLike<void>;
}

/**
 * Defines a worker. The types of task, result, state, messages and data are taken from its functions;
 * annotate `ctx` (`TaskContext<State, Message>`) to type the messages.
 *
 * @example
 * export default defineWorker({
 *   setup: () => new Client(),
 *   task: async (url: string, { state, signal }) => state.fetch(url, { signal }),
 * });
 */
export function defineWorker<Task, Result, State = undefined, Message = never, Data = unknown>(
  definition: WorkerDefinition<Task, Result, State, Message, Data>,
): WorkerDefinition<Task, Result, State, Message, Data> {
  return definition;
}
