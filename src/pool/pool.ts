import { EventEmitter } from "node:events";

import { newelError } from "../base/errors.ts";
import { Broadcasts } from "./broadcasts.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { PoolEvents, PoolState } from "./events.ts";
import { Fleet } from "./fleet.ts";
import { KeepAlive } from "./keep-alive.ts";
import { Lifespan } from "./lifespan.ts";
import type { DataOf, MessageOf, ResultOf, TaskOf } from "./module-types.ts";
import { runEach } from "./map.ts";
import {
  count,
  resolveOptions,
  type BroadcastOptions,
  type CloseOptions,
  type PoolOptions,
  type ResultInfo,
  type RunOptions,
  type Settings,
} from "./options.ts";
import { Requests } from "./requests.ts";
import { Results } from "./results.ts";
import { poolStats, type PoolStats } from "./stats.ts";
import { ANY_WORKER, type TaskRequest } from "./task.ts";
import { callerTelemetry, type CallerTelemetry } from "./telemetry.ts";

const DEFAULT_GRACE_MS = 10_000;
const NO_OPTIONS: RunOptions = {};

/**
 * A fixed set of workers, processes or threads, that each run many asynchronous tasks at a time.
 * The types come from the worker module: `new Pool<typeof import("./worker.ts")>({ … })`.
 */
export class Pool<Module = unknown>
  extends EventEmitter<PoolEvents<ResultOf<Module>, MessageOf<Module>>>
  implements AsyncDisposable
{
  readonly #settings: Settings;
  readonly #options: PoolOptions<
    TaskOf<Module>,
    ResultOf<Module>,
    MessageOf<Module>,
    DataOf<Module>
  >;
  readonly #fleet: Fleet;
  readonly #dispatcher: Dispatcher;
  readonly #broadcasts: Broadcasts;
  readonly #results: Results;
  readonly #keepAlive: KeepAlive;
  readonly #telemetry: CallerTelemetry | undefined;
  readonly #requests: Requests;
  readonly #life: Lifespan;
  #statsTimer: NodeJS.Timeout | undefined;

  /** @throws NEWEL_E_POOL_OPTION, NEWEL_E_NOT_SENDABLE */
  constructor(
    options: PoolOptions<TaskOf<Module>, ResultOf<Module>, MessageOf<Module>, DataOf<Module>>,
  ) {
    super();
    const settings = resolveOptions(options);
    this.#settings = settings;
    this.#options = options;
    this.#keepAlive = new KeepAlive(options.onResult !== undefined);
    this.#results = this.#makeResults();
    this.#fleet = this.#makeFleet();
    this.#dispatcher = new Dispatcher(settings, this.#fleet.seats, {
      resultRoom: () => this.#results.room,
      crowded: () => this.#fleet.crowded(),
      idle: () => {
        this.#keepAlive.release("tasks");
        this.#life.look();
      },
      busy: () => this.#keepAlive.hold("tasks"),
      roomAgain: () => void this.emit("drain"),
    });
    this.#broadcasts = new Broadcasts(this.#dispatcher, (error, worker) =>
      this.#unheard(error, { worker }),
    );
    this.#telemetry = settings.telemetry ? callerTelemetry(() => this.stats()) : undefined;
    this.#requests = new Requests(settings, this.#telemetry);
    this.#life = this.#makeLifespan();
  }

  get name(): string {
    return this.#settings.name;
  }

  get state(): PoolState {
    return this.#life.state;
  }

  /** Workers that take tasks at this moment. */
  get size(): number {
    return this.#fleet.seats.filter(({ ready }) => ready !== undefined).length;
  }

  /** Tasks that wait for a worker. */
  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  /**
   * Starts the workers; the first task does so too. Resolves when all take tasks.
   *
   * @throws NEWEL_E_POOL_WORKER_START when the first ones cannot start; the pool is closed then
   */
  async start(): Promise<void> {
    this.#life.checkOpen();
    this.#startFleet();
    this.#keepAlive.hold("start");
    try {
      await this.#fleet.ready();
    } finally {
      this.#keepAlive.release("start");
    }
  }

  #startFleet(): void {
    if (this.#fleet.isStarted) return;
    this.#keepAlive.open();
    this.#fleet.start();
    this.#statsTimer = setInterval(() => {
      if (this.listenerCount("stats") > 0) this.emit("stats", this.stats());
    }, this.#settings.statsMs).unref();
  }

  /**
   * Runs a task and resolves with its result. The task is copied at once; it waits for as long as all
   * workers are busy. Whoever makes tasks faster than they are done uses {@link tryRun}, {@link put}
   * or {@link map}, which keep to the size of the queues.
   *
   * @throws NEWEL_E_POOL_WORKER_LOST, NEWEL_E_DEADLINE, NEWEL_E_CANCELLED, NEWEL_E_NOT_SENDABLE,
   *   NEWEL_E_POOL_CLOSED, NEWEL_E_POOL_STUCK, NEWEL_E_POOL_NO_WORKER, or what the task threw
   */
  run(task: TaskOf<Module>, options: RunOptions = NO_OPTIONS): Promise<ResultOf<Module>> {
    return new Promise((resolve, reject) => {
      this.#submit(task, options, resolve, reject);
    });
  }

  /** As {@link run}, or `undefined` when the queues are full; `drain` is emitted when there is room. */
  tryRun(
    task: TaskOf<Module>,
    options: RunOptions = NO_OPTIONS,
  ): Promise<ResultOf<Module>> | undefined {
    if (this.#isFull(options)) return undefined;
    return this.run(task, options);
  }

  /**
   * Adds a task whose result goes to `onResult`, the iteration or `on("message")`. Resolves when the
   * task has its place in the queue: a producer that awaits it keeps to the pace of the workers.
   *
   * @throws NEWEL_E_POOL_CLOSED, NEWEL_E_NOT_SENDABLE
   */
  async put(task: TaskOf<Module>, options: Omit<RunOptions, "signal"> = NO_OPTIONS): Promise<void> {
    this.#life.checkOpen();
    this.#startFleet();
    const request = this.#putRequest(task, options);
    await this.#dispatcher.submitLater(request, this.#requests.timeoutMs(options));
  }

  /**
   * As {@link put}, without waiting.
   *
   * @throws NEWEL_E_POOL_FULL when the queues are full; `drain` is emitted when there is room
   */
  putNowait(task: TaskOf<Module>, options: RunOptions = NO_OPTIONS): void {
    this.#life.checkOpen();
    if (this.#isFull(options))
      throw newelError("NEWEL_E_POOL_FULL", { pool: this.name, waiting: this.waiting });
    this.#startFleet();
    const request = this.#putRequest(task, options);
    this.#dispatcher.submit(request, options.signal, this.#requests.timeoutMs(options));
  }

  /**
   * Runs a task for each item, as many at once as the queues hold, and gives the results in the order
   * of the items. Ending the iteration early cancels what runs.
   */
  map(
    tasks: Iterable<TaskOf<Module>> | AsyncIterable<TaskOf<Module>>,
    options: RunOptions = NO_OPTIONS,
  ): AsyncGenerator<ResultOf<Module>, void, undefined> {
    const { queueSize, max } = this.#settings;
    return runEach(tasks, queueSize * max, options.signal, (task, signal) =>
      this.run(task, { ...options, signal }),
    );
  }

  /**
   * Runs a task once in each worker there is, and resolves with the results in the order of the
   * workers' numbers.
   */
  async broadcast(
    task: TaskOf<Module>,
    options: BroadcastOptions = {},
  ): Promise<ResultOf<Module>[]> {
    this.#life.checkOpen();
    this.#startFleet();
    const { sticky, signal } = options;
    if (signal?.aborted === true) throw cancelled(signal.reason);
    const results = await this.#broadcasts.send(this.#fleet.seats, {
      body: this.#requests.forAll(task),
      stickyKey: sticky === true ? "" : sticky === false ? undefined : sticky,
      signal,
      timeoutMs: this.#requests.timeoutMs(options),
    });
    return results;
  }

  /** The results of `put` tasks and the messages of workers, until the pool has stopped. */
  results(): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined> {
    return this.#results.iterate(
      () => this.#keepAlive.hold("iteration"),
      () => this.#keepAlive.release("iteration"),
    ) as AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined>;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ResultOf<Module> | MessageOf<Module>, undefined> {
    return this.results();
  }

  /** What the pool and each of its workers do at this moment. */
  stats(): PoolStats {
    return poolStats(this, this.#fleet, this.#dispatcher, this.#results.pending);
  }

  /** Takes no more tasks, finishes those there are, however long that takes, and ends the workers. */
  stop(): Promise<void> {
    return this.#life.close(undefined);
  }

  /**
   * As {@link stop}, but tasks that are not done after `graceMs` reject with NEWEL_E_POOL_STUCK and
   * their workers are killed.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: CloseOptions = {}): Promise<void> {
    return this.#life.close(count("graceMs", graceMs, 0));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #submit(
    task: TaskOf<Module>,
    options: RunOptions,
    resolve: TaskRequest["resolve"],
    reject: TaskRequest["reject"],
  ): void {
    if (this.#life.state !== "open") this.#life.checkOpen();
    if (!this.#fleet.isStarted) this.#startFleet();
    const { signal } = options;
    if (signal?.aborted === true) throw cancelled(signal.reason);
    const request = this.#requests.make(task, options, false, resolve, reject);
    this.#dispatcher.submit(request, signal, this.#requests.timeoutMs(options));
  }

  #putRequest(task: TaskOf<Module>, options: RunOptions): TaskRequest {
    return this.#requests.make(
      task,
      options,
      true,
      (result, worker) => {
        if (result !== undefined) this.#results.deliver(result, { worker }, () => undefined);
      },
      (error, worker) => this.#unheard(error, { worker, task }),
    );
  }

  #isFull({ worker = ANY_WORKER }: RunOptions): boolean {
    const isFull = this.#dispatcher.isFull(worker);
    if (isFull) this.#dispatcher.refused();
    return isFull;
  }

  #makeResults(): Results {
    const { onResult } = this.#options;
    return new Results(this.#settings.resultQueueSize, {
      handler: onResult === undefined ? undefined : (value, info) => onResult(value, info),
      emit: (value, info) => this.#emitMessage(value, info),
      failed: (error, info) => this.#unheard(error, info),
      room: () => {
        this.#dispatcher.refillAll();
        this.#life.look();
      },
    });
  }

  #makeFleet(): Fleet {
    return new Fleet(this.#settings, {
      isPrepared: (seat, worker) => this.#broadcasts.isReplayed(seat, worker),
      prepare: (seat, worker) => this.#broadcasts.replay(seat, worker),
      ready: (seat, worker) => {
        this.emit("workerReady", { worker: worker.number, pid: worker.pid });
        this.#dispatcher.refill(seat);
      },
      settled: (task, result) => this.#dispatcher.settle(task, result),
      failed: (task, error) => this.#dispatcher.fail(task, error),
      message: (worker, message) =>
        this.#results.deliver(message, { worker: worker.number }, () => worker.giveCredit()),
      turn: (seat) => this.#dispatcher.refill(seat),
      lost: (seat, worker, how, tasks) => {
        const { number, pid, wasKilledForTask } = worker;
        this.emit("workerEnd", { worker: number, pid, how });
        const because = { because: wasKilledForTask ? "sibling" : "died" };
        this.#dispatcher.lost(seat, tasks, how, () =>
          newelError("NEWEL_E_POOL_WORKER_LOST", { worker: number, pid, how, ...because }),
        );
      },
      hopeless: (error, isFirst) => this.#hopeless(error, isFirst),
      hasWaiting: () => this.#dispatcher.hasWaiting,
      trouble: (error) => this.#trouble(error),
    });
  }

  #makeLifespan(): Lifespan {
    return new Lifespan({
      name: this.name,
      fleet: this.#fleet,
      dispatcher: this.#dispatcher,
      results: this.#results,
      keepAlive: this.#keepAlive,
      hasHandler: this.#options.onResult !== undefined,
      ended: () => {
        clearInterval(this.#statsTimer);
        this.#telemetry?.stop();
      },
    });
  }

  #hopeless(error: Error, isFirst: boolean): void {
    if (isFirst) this.#life.fail(error);
    this.#dispatcher.failWaiting(() => error);
  }

  /** In a turn of its own: an error that nobody listens to ends the program, not what goes on here. */
  #unheard(
    error: unknown,
    info: { readonly worker: number; readonly task?: TaskOf<Module> },
  ): void {
    process.nextTick(() => {
      if (this.#options.onError === undefined) this.emit("error", error);
      else this.#options.onError(error, info);
    });
  }

  /** Not worth ending a program that listens to no errors. */
  #trouble(error: Error): void {
    if (this.#options.onError === undefined && this.listenerCount("error") === 0)
      process.emitWarning(error);
    else this.#unheard(error, { worker: ANY_WORKER });
  }

  #emitMessage(value: ResultOf<Module> | MessageOf<Module>, info: ResultInfo): boolean {
    try {
      return this.emit("message", value, info);
    } catch (error) {
      this.#unheard(error, info);
      return true;
    }
  }
}

function cancelled(reason: unknown): Error {
  return newelError("NEWEL_E_CANCELLED", { what: "The task" }, reason);
}
