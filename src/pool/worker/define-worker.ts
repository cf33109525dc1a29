/** What a worker knows of itself and its pool. */
export interface SetupContext<Data = unknown> {
  /** From 0; a replacement after a crash has the number of the one before. */
  readonly workerNumber: number;
  /** The pool's name. */
  readonly pool: string;
  /** The static data of the pool's `data` option, this worker's own copy. */
  readonly data: Data;
  /** As {@link TaskContext.post}, for results that come without a task. */
  readonly post: (message: unknown) => Promise<void>;
}

/** What a task is given besides its argument. */
export interface TaskContext<State = unknown, Message = never, Data = unknown> {
  readonly workerNumber: number;
  readonly pool: string;
  readonly data: Data;
  /** What `setup` returned. */
  readonly state: State;
  /**
   * Aborts when the caller cancelled the task or its time is over. Listen to it to end early and free
   * the place in this worker: the caller has its answer by then, unless it gave `graceMs`. An error
   * that the caller aborted with is the signal's `reason`.
   */
  readonly signal: AbortSignal;
  /**
   * Sends a message to the pool: to its `onResult`, `on('message')` or async iteration. Resolves when
   * the pool has room for it; a task counts as running until all its messages have left.
   *
   * @throws NEWEL_E_NOT_SENDABLE
   * @throws NEWEL_E_LIMIT when 65,536 messages wait already: await the promise
   */
  readonly post: (message: Message) => Promise<void>;
  /**
   * Asks the caller of this task, whose `onAsk` answers; rejects as that does. Questions of a task
   * reach it in their order.
   *
   * @throws NEWEL_E_POOL_NO_ANSWER when nobody answers: there is no `onAsk`, or the task is over
   * @throws NEWEL_E_NOT_SENDABLE
   * @throws NEWEL_E_LIMIT when 4,096 questions of this worker wait already
   */
  readonly ask: (question: unknown) => Promise<unknown>;
  /**
   * Marks memory of a result or message to be handed over instead of copied: `return
   * ctx.transfer(bytes, [bytes.buffer])`. It cannot be used here afterwards.
   */
  readonly transfer: <Value>(value: Value, memory: readonly ArrayBuffer[]) => Value;
}

/** What a worker does; the default export of a worker module. */
export interface WorkerDefinition<Task, Result, State, Message, Data> {
  /** Runs once before the first task; what it returns is `ctx.state`. */
  setup?(context: SetupContext<Data>): State | PromiseLike<State>;
  /** Runs for each task; many at a time when it is asynchronous. */
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
