import { EventEmitter } from "node:events";

import { newelError } from "../base/errors.ts";
import type { PoolEvents, PoolState } from "./events.ts";
import { runEach } from "./map.ts";
import type {
  DataOf,
  FunctionsOf,
  GeneratorsOf,
  ItemOf,
  MessageOf,
  ResultOf,
  RunTaskOf,
  StreamTaskOf,
  TaskOf,
} from "./module-types.ts";
import { named } from "./named.ts";
import type {
  BroadcastOptions,
  CloseOptions,
  PoolOptions,
  RunOptions,
  StreamOptions,
} from "./options.ts";
import { PoolCore } from "./pool-core.ts";
import { TaskFlag } from "./protocol.ts";
import {
  checkBroadcast,
  checkClose,
  checkPut,
  checkRun,
  checkStream,
  NO_OPTIONS,
} from "./settings.ts";
import type { PoolStats } from "./stats.ts";

const DEFAULT_GRACE_MS = 10_000;

/**
 * A set of workers, processes or threads, each of which runs many asynchronous tasks at a time.
 * The types come from the worker module: `new Pool<typeof import("./worker.ts")>({ … })`.
 */
export class Pool<Module = unknown>
  extends EventEmitter<PoolEvents<ResultOf<Module>, MessageOf<Module>>>
  implements AsyncDisposable
{
  readonly #core: PoolCore;

  /** @throws NEWEL_E_POOL_OPTION, NEWEL_E_NOT_SENDABLE, NEWEL_E_POOL_PROGRAM */
  constructor(
    options: PoolOptions<TaskOf<Module>, ResultOf<Module>, MessageOf<Module>, DataOf<Module>>,
  ) {
    super();
    this.#core = new PoolCore(options, this);
  }

  /** The name of the pool, in errors, statistics and the titles of its processes. */
  get name(): string {
    return this.#core.settings.name;
  }

  /** The state of the pool at this moment. */
  get state(): PoolState {
    return this.#core.shutdown.state;
  }

  /** Workers that accept tasks at present. */
  get size(): number {
    return this.#core.size;
  }

  /** Tasks that wait for a worker. */
  get waiting(): number {
    return this.#core.dispatcher.waiting;
  }

  /**
   * Starts the workers; the first task does so, too. Resolves when all workers accept tasks.
   *
   * @throws NEWEL_E_POOL_WORKER_START when the first workers cannot start; the pool is then closed
   */
  async start(): Promise<void> {
    this.#core.shutdown.checkOpen();
    this.#core.startFleet();
    this.#core.keepAlive.hold("start");
    try {
      await this.#core.fleet.ready();
    } finally {
      this.#core.keepAlive.release("start");
    }
  }

  /**
   * Runs a task and resolves with its result. The task is copied immediately; it waits for as long
   * as all workers are busy. A producer that is faster than the workers uses {@link tryRun}, {@link
   * put} or {@link map}, which respect the size of the queues.
   *
   * @throws NEWEL_E_POOL_WORKER_LOST, NEWEL_E_DEADLINE, NEWEL_E_CANCELLED, NEWEL_E_NOT_SENDABLE,
   *   NEWEL_E_POOL_CLOSED, NEWEL_E_POOL_STUCK, NEWEL_E_POOL_NO_WORKER, or the error of the task
   */
  run(task: RunTaskOf<Module>, options: RunOptions = NO_OPTIONS): Promise<ResultOf<Module>> {
    return this.#core.run(task, options, 0);
  }

  /**
   * Runs a task that is a generator, and returns its items. The task is copied immediately and
   * starts with the first `next()`; `break` ends it. The generator waits while 256 of its items are
   * not read. `timeoutMs` is the limit of the whole stream.
   *
   * The iteration throws NEWEL_E_POOL_WORKER_LOST, NEWEL_E_DEADLINE, NEWEL_E_CANCELLED,
   * NEWEL_E_POOL_CLOSED, NEWEL_E_POOL_STUCK, NEWEL_E_POOL_NO_WORKER, NEWEL_E_POOL_NO_STREAM, or the
   * error of the task.
   *
   * @throws NEWEL_E_POOL_OPTION, NEWEL_E_NOT_SENDABLE
   */
  stream(
    task: StreamTaskOf<Module>,
    options: StreamOptions = NO_OPTIONS,
  ): AsyncIterableIterator<ItemOf<Module>, undefined> & AsyncDisposable {
    checkStream(options);
    return this.#core.streams.read(task, options, TaskFlag.STREAM) as AsyncIterableIterator<
      ItemOf<Module>,
      undefined
    > &
      AsyncDisposable;
  }

  /**
   * The functions that the worker module exports by name: `await pool.fn().resize(image, 100)`. Each
   * call is a task, and rejects like one of {@link run}.
   *
   * @param options - for each call of one of these functions
   * @throws NEWEL_E_POOL_OPTION
   */
  fn<Exports = Module>(options: RunOptions = NO_OPTIONS): FunctionsOf<Exports> {
    checkRun(options);
    const run = (name: string, args: readonly unknown[]): unknown =>
      this.#core.run([name, ...args], options, TaskFlag.NAMED);
    return named(run) as FunctionsOf<Exports>;
  }

  /**
   * The generators that the worker module exports by name, each as a {@link stream}: `for await
   * (const tile of pool.gen().tiles(image))`.
   *
   * @param options - for each call of one of these generators
   * @throws NEWEL_E_POOL_OPTION
   */
  gen<Exports = Module>(options: StreamOptions = NO_OPTIONS): GeneratorsOf<Exports> {
    checkStream(options);
    const read = (name: string, args: readonly unknown[]): unknown =>
      this.#core.streams.read([name, ...args], options, TaskFlag.STREAM | TaskFlag.NAMED);
    return named(read) as GeneratorsOf<Exports>;
  }

  /**
   * Like {@link run}, but returns `undefined` when the queues are full; `drain` is emitted when
   * there is room.
   */
  tryRun(
    task: RunTaskOf<Module>,
    options: RunOptions = NO_OPTIONS,
  ): Promise<ResultOf<Module>> | undefined {
    if (options !== NO_OPTIONS) checkRun(options);
    if (this.#core.isFull(options)) return undefined;
    return this.run(task, options);
  }

  /**
   * Adds a task whose result goes to `onResult`, the iteration or `on("message")`. Resolves when
   * the task is in the queue: a producer that awaits it keeps the pace of the workers.
   *
   * @throws NEWEL_E_POOL_CLOSED, NEWEL_E_NOT_SENDABLE
   */
  async put(
    task: RunTaskOf<Module>,
    options: Omit<RunOptions, "signal"> = NO_OPTIONS,
  ): Promise<void> {
    if (options !== NO_OPTIONS) checkPut(options);
    this.#core.shutdown.checkOpen();
    this.#core.startFleet();
    const request = this.#core.putRequest(task, options);
    await this.#core.dispatcher.submitLater(request, this.#core.requests.timeoutMs(options));
  }

  /**
   * Like {@link put}, without waiting.
   *
   * @throws NEWEL_E_POOL_FULL when the queues are full; `drain` is emitted when there is room
   */
  putNowait(task: RunTaskOf<Module>, options: RunOptions = NO_OPTIONS): void {
    if (options !== NO_OPTIONS) checkRun(options);
    const signal = options.signal ?? undefined;
    this.#core.open(signal);
    if (this.#core.isFull(options))
      throw newelError("NEWEL_E_POOL_FULL", { pool: this.name, waiting: this.waiting });
    const request = this.#core.putRequest(task, options);
    this.#core.dispatcher.submit(request, signal, this.#core.requests.timeoutMs(options));
  }

  /**
   * Runs a task for each item, as many at once as the queues hold, and yields the results in the
   * order of the items. Ending the iteration early cancels the running tasks.
   */
  map(
    tasks: Iterable<RunTaskOf<Module>> | AsyncIterable<RunTaskOf<Module>>,
    options: RunOptions = NO_OPTIONS,
  ): AsyncGenerator<ResultOf<Module>, void, undefined> {
    const { queueSize, max } = this.#core.settings;
    if (options !== NO_OPTIONS) checkRun(options);
    return runEach(tasks, queueSize * max, options.signal ?? undefined, (task, signal) =>
      this.run(task, { ...options, signal }),
    );
  }

  /**
   * Runs a task once in each worker, and resolves with the results in the order of the workers'
   * numbers.
   */
  async broadcast(
    task: RunTaskOf<Module>,
    options: BroadcastOptions = {},
  ): Promise<ResultOf<Module>[]> {
    checkBroadcast(options);
    const { sticky } = options;
    const signal = options.signal ?? undefined;
    this.#core.open(signal);
    const results = await this.#core.broadcasts.send(this.#core.fleet.slots, {
      body: this.#core.requests.forAll(task),
      stickyKey: sticky === true ? "" : sticky === false ? undefined : sticky,
      signal,
      timeoutMs: this.#core.requests.timeoutMs(options),
    });
    return results;
  }

  /** The results of `put` tasks and the messages of workers, until the pool has stopped. */
  results(): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined> {
    return this.#core.results.iterate(
      () => this.#core.keepAlive.hold("iteration"),
      () => this.#core.keepAlive.release("iteration"),
    ) as AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined>;
  }

  /** Iterates over results of `put` tasks and messages of workers, until the pool is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined> {
    return this.results();
  }

  /** The present state of the pool and of each of its workers. */
  stats(): PoolStats {
    return this.#core.stats();
  }

  /** Refuses new tasks, finishes the present ones without a time limit, and ends the workers. */
  stop(): Promise<void> {
    return this.#core.shutdown.close(undefined);
  }

  /**
   * Like {@link stop}, but tasks that are not done after `graceMs` reject with NEWEL_E_POOL_STUCK
   * and their workers are killed; `onResult` and `teardown` get the same time, and one second more.
   *
   * @throws NEWEL_E_POOL_OPTION
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkClose(options);
    const { graceMs = DEFAULT_GRACE_MS, queued = "finish" } = options;
    if (queued === "drop") this.#core.shutdown.dropQueued();
    await this.#core.shutdown.close(graceMs);
  }

  /** The same as `stop`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
