import type { EventEmitter } from "node:events";

import { newelError } from "../base/errors.ts";
import { clearInterval, setInterval } from "../base/globals.ts";
import { MAX_TIMER_MS } from "../base/timers.ts";
import { BlockedWatch } from "./blocked-watch.ts";
import { Broadcasts } from "./broadcasts.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { PoolEvents } from "./events.ts";
import { Fleet } from "./fleet.ts";
import { KeepAlive } from "./keep-alive.ts";
import { checkLaunch } from "./launch.ts";
import type { OutputInfo, PoolOptions, RunOptions } from "./options.ts";
import { Pulse } from "./pulse.ts";
import { type ErrorInfo, Reports } from "./reports.ts";
import { Requests } from "./requests.ts";
import { Results } from "./results.ts";
import { checkRun, NO_OPTIONS, resolveOptions, type Settings } from "./settings.ts";
import { Shutdown } from "./shutdown.ts";
import { poolStats, type PoolStats } from "./stats.ts";
import { Streams } from "./streams.ts";
import { ANY_WORKER, type TaskRequest } from "./task.ts";
import { callerTelemetry, type CallerTelemetry } from "./telemetry.ts";

/**
 * The parts of a pool and their connections, without the types of its worker module. `pool.ts` is
 * the public side.
 */
export class PoolCore {
  readonly settings: Settings;
  readonly dispatcher: Dispatcher;
  readonly fleet: Fleet;
  readonly broadcasts: Broadcasts;
  readonly results: Results;
  readonly keepAlive: KeepAlive;
  readonly requests: Requests;
  readonly streams: Streams;
  readonly shutdown: Shutdown;
  readonly #options: PoolOptions<never, never, never>;
  readonly #events: EventEmitter<PoolEvents<unknown, unknown>>;
  readonly #pulse: Pulse;
  readonly #blocked: BlockedWatch;
  readonly #telemetry: CallerTelemetry | undefined;
  readonly #reports: Reports;
  #statsTimer: NodeJS.Timeout | undefined;

  /**
   * @param events - the pool, which emits them
   * @throws NEWEL_E_POOL_OPTION, NEWEL_E_NOT_SENDABLE, NEWEL_E_POOL_PROGRAM
   */
  constructor(
    options: PoolOptions<never, never, never>,
    events: EventEmitter<PoolEvents<unknown, unknown>>,
  ) {
    const settings = resolveOptions(options);
    checkLaunch(settings);
    this.settings = settings;
    this.#options = options;
    this.#events = events;
    this.#reports = this.#makeReports();
    this.keepAlive = new KeepAlive(options.onResult !== undefined);
    this.results = this.#makeResults();
    this.fleet = this.#makeFleet();
    this.dispatcher = this.#makeDispatcher();
    this.#blocked = new BlockedWatch(
      settings.blockedMs,
      () => this.fleet.workers,
      (blocked) => this.#reports.blocked(blocked),
    );
    this.#pulse = new Pulse(settings, this.fleet, this.dispatcher);
    this.broadcasts = new Broadcasts(this.dispatcher, (error, worker) =>
      this.#reports.error(error, { worker }),
    );
    this.#telemetry = settings.telemetry ? callerTelemetry(() => this.stats()) : undefined;
    this.requests = new Requests(settings, this.#telemetry);
    this.streams = new Streams(this.requests, this.dispatcher, {
      open: (signal) => this.open(signal),
    });
    this.shutdown = this.#makeShutdown();
  }

  stats(): PoolStats {
    const { shutdown, settings, fleet, dispatcher, results } = this;
    const facts = { name: settings.name, state: shutdown.state, size: this.size };
    return poolStats(facts, fleet, dispatcher, results.pending);
  }

  /** Workers that accept tasks at present. */
  get size(): number {
    return this.fleet.slots.filter(({ ready }) => ready !== undefined).length;
  }

  startFleet(): void {
    if (this.fleet.isStarted) return;
    this.keepAlive.open();
    this.fleet.start();
    this.#statsTimer = setInterval(
      () => {
        if (this.#events.listenerCount("stats") > 0) this.#events.emit("stats", this.stats());
      },
      Math.min(this.settings.statsMs, MAX_TIMER_MS),
    ).unref();
  }

  /**
   * The pool accepts one more task.
   *
   * @throws NEWEL_E_POOL_CLOSED; NEWEL_E_CANCELLED when the signal has aborted
   */
  open(signal: AbortSignal | undefined): void {
    if (this.shutdown.state !== "open") this.shutdown.checkOpen();
    if (!this.fleet.isStarted) this.startFleet();
    if (signal?.aborted === true)
      throw newelError("NEWEL_E_CANCELLED", { what: "The task" }, signal.reason);
  }

  /** @param kind - the `TaskFlag`s */
  run(task: unknown, options: RunOptions, kind: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (options !== NO_OPTIONS) checkRun(options);
      const signal = options.signal ?? undefined;
      this.open(signal);
      const request = this.requests.make(task, options, false, resolve, reject, kind);
      this.dispatcher.submit(request, signal, this.requests.timeoutMs(options));
    });
  }

  /** A task whose result goes to the readers of results. */
  putRequest(task: unknown, options: RunOptions): TaskRequest {
    return this.requests.make(
      task,
      options,
      true,
      (result, worker) => {
        if (result !== undefined) this.results.deliver(result, { worker }, () => undefined);
      },
      (error, worker) => this.#reports.error(error, { worker, task }),
    );
  }

  isFull({ worker = ANY_WORKER }: RunOptions): boolean {
    const isFull = this.dispatcher.isFull(worker);
    if (isFull) this.dispatcher.refused();
    return isFull;
  }

  #makeReports(): Reports {
    const { onError } = this.#options;
    return new Reports({
      name: this.settings.name,
      onError:
        onError === undefined
          ? undefined
          : (error, info) => onError(error, info as ErrorInfo<never>),
      hearsErrors: () => this.#events.listenerCount("error") > 0,
      emitError: (error) => void this.#events.emit("error", error),
      emitBlocked: (blocked) => this.#events.emit("blocked", blocked),
      emitMessage: (value, info) => this.#events.emit("message", value, info),
    });
  }

  #makeResults(): Results {
    const { onResult } = this.#options;
    return new Results(this.settings.resultQueueSize, {
      handler: onResult === undefined ? undefined : (value, info) => onResult(value as never, info),
      emit: (value, info) => this.#reports.message(value, info),
      failed: (error, info) => this.#reports.error(error, info),
      unread: () =>
        this.#reports.trouble(
          newelError("NEWEL_E_POOL_UNREAD", {
            pool: this.settings.name,
            limit: this.settings.resultQueueSize,
          }),
        ),
      room: () => {
        this.dispatcher.refillAll();
        this.shutdown.look();
      },
    });
  }

  #makeFleet(): Fleet {
    return new Fleet(this.settings, {
      isPrepared: (slot, worker) => this.broadcasts.isReplayed(slot, worker),
      prepare: (slot, worker) => this.broadcasts.replay(slot, worker),
      ready: (slot, worker) => {
        this.#events.emit("workerReady", { worker: worker.number, pid: worker.pid });
        this.dispatcher.refill(slot);
      },
      settled: (task, result) => this.dispatcher.settle(task, result),
      failed: (task, error) => this.dispatcher.fail(task, error),
      message: (worker, message) =>
        this.results.deliver(message, { worker: worker.number }, () => worker.credit.taken()),
      turn: (slot) => this.dispatcher.refill(slot),
      returned: (slot, tasks) => this.dispatcher.returned(slot, tasks),
      lost: (slot, worker, how, tasks) => {
        const { number, pid, departure } = worker;
        const { wasForTask, blocker } = departure;
        this.#events.emit("workerEnd", { worker: number, pid, how });
        const because = {
          because: wasForTask ? "sibling" : "died",
          ...(blocker === undefined ? {} : { blocker: blocker.sequence }),
        };
        this.dispatcher.lost(slot, tasks, how, () =>
          newelError("NEWEL_E_POOL_WORKER_LOST", { worker: number, pid, how, ...because }),
        );
      },
      line: (line, info) => this.#line(line, info),
      hopeless: (error, isFirst) => this.#hopeless(error, isFirst),
      trouble: (error) => this.#reports.trouble(error),
    });
  }

  #makeShutdown(): Shutdown {
    return new Shutdown({
      name: this.settings.name,
      fleet: this.fleet,
      dispatcher: this.dispatcher,
      results: this.results,
      keepAlive: this.keepAlive,
      hasHandler: this.#options.onResult !== undefined,
      ended: () => {
        clearInterval(this.#statsTimer);
        this.#telemetry?.stop();
      },
    });
  }

  #makeDispatcher(): Dispatcher {
    return new Dispatcher(this.settings, this.fleet.slots, {
      resultRoom: () => this.results.room,
      watch: () => this.#pulse.start(),
      idle: () => {
        this.keepAlive.release("tasks");
        this.shutdown.look();
      },
      busy: () => {
        this.keepAlive.hold("tasks");
        this.#blocked.start();
      },
      roomAgain: () => void this.#events.emit("drain"),
    });
  }

  #line(line: string, info: OutputInfo): void {
    try {
      this.#options.onOutput?.(line, info);
    } catch (error) {
      this.#reports.error(error, info);
    }
  }

  #hopeless(error: Error, isFirst: boolean): void {
    if (isFirst) this.shutdown.fail(error);
    this.dispatcher.failWaiting(() => error);
  }
}
