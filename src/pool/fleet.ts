import { backoffMs } from "../base/backoff.ts";
import { messageOf, newelError } from "../base/errors.ts";
import { Guard } from "./guard.ts";
import { Histogram } from "./histogram.ts";
import { MemoryWatch } from "./memory-watch.ts";
import type { Settings } from "./options.ts";
import { RunningWorker, type WorkerEvents } from "./running-worker.ts";
import { Seat } from "./seat.ts";
import type { Task } from "./task.ts";

/** After so many failed starts in a row, with no worker left, those that wait are told. */
const HOPELESS_STARTS = 5;
/** A worker that lived so long did not fail because of how it was started. */
const PROVED_MS = 1_000;
/** How long tasks wait before one more worker is started for them. */
const CROWDED_MS = 20;
/** How long a worker may take to end that has no task any more. */
const TEARDOWN_MS = 5_000;

/** What the fleet tells the rest of the pool. */
export interface FleetEvents {
  /** Whether a worker that is set up may take tasks, … */
  isPrepared(seat: Seat, worker: RunningWorker): boolean;
  /** … and what has to be done before. */
  prepare(seat: Seat, worker: RunningWorker): Promise<void>;
  /** From now on it takes tasks. */
  ready(seat: Seat, worker: RunningWorker): void;
  settled(task: Task, result: unknown): void;
  failed(task: Task, error: unknown): void;
  message(worker: RunningWorker, message: unknown): void;
  turn(seat: Seat): void;
  lost(seat: Seat, worker: RunningWorker, how: string, tasks: readonly Task[]): void;
  /** No worker runs, and none could be started. */
  hopeless(error: Error, isFirst: boolean): void;
  hasWaiting(): boolean;
  /** Something is not as it should be, though the workers run. */
  trouble(error: Error): void;
}

/** The workers of a pool: starts them, replaces those that end, more or fewer as they are needed. */
export class Fleet {
  readonly seats: Seat[] = [];
  readonly runTimes: Histogram = new Histogram();
  readonly #settings: Settings;
  readonly #events: FleetEvents;
  readonly #credit: number;
  /** All that were started and have not ended. */
  readonly #living = new Set<RunningWorker>();
  readonly #memory = new MemoryWatch(this.#living);
  /** Of a pool whose workers lead process groups, from its start on. */
  #guard: Guard | undefined;
  #onEnded: (() => void)[] = [];
  #onReady: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #isClosing = false;
  #wasReady = false;
  #failedStarts = 0;
  #crowdedTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  restarts = 0;

  constructor(settings: Settings, events: FleetEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#credit = Math.max(1, Math.floor(settings.resultQueueSize / settings.max));
  }

  get isStarted(): boolean {
    return this.seats.length > 0 || this.#idleTimer !== undefined;
  }

  /** Starts the workers there are at least. */
  start(): void {
    if (this.isStarted || this.#isClosing) return;
    const { processGroup, name } = this.#settings;
    if (processGroup) this.#guard ??= new Guard(name, (error) => this.#events.trouble(error));
    for (let number = 0; number < this.#settings.min; number += 1) this.#addSeat(number);
    if (this.#settings.max === this.#settings.min) return;
    const everyMs = Math.max(50, this.#settings.idleMs / 2);
    this.#idleTimer = setInterval(() => this.#shrink(), everyMs).unref();
  }

  /** Resolves when every worker there is takes tasks. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onReady.push({ resolve, reject });
      this.#tellReady();
    });
  }

  #tellReady(): void {
    if (this.seats.some((seat) => seat.ready === undefined)) return;
    for (const { resolve } of this.#onReady.splice(0)) resolve();
  }

  #addSeat(number: number): void {
    const seat = new Seat(number);
    this.seats.push(seat);
    this.#launch(seat);
  }

  #launch(seat: Seat): void {
    seat.timer = undefined;
    if (this.#isClosing) return;
    seat.worker = this.#newWorker(seat);
  }

  #newWorker(seat: Seat): RunningWorker {
    const worker = new RunningWorker(
      this.#settings,
      seat.number,
      this.#credit,
      this.runTimes,
      this.#guard,
      this.#eventsOf(seat),
    );
    this.#living.add(worker);
    return worker;
  }

  #eventsOf(seat: Seat): WorkerEvents {
    let unfit: unknown;
    return {
      ready: (worker) => void this.#isReady(seat, worker),
      unfit: (_worker, error) => {
        unfit = error;
      },
      done: (task, result) => this.#events.settled(task, result),
      failed: (task, error) => this.#events.failed(task, error),
      message: (worker, message) => this.#events.message(worker, message),
      report: (worker) => this.#look(seat, worker),
      limited: () => this.#memory.start(),
      spent: (worker) => this.#retire(seat, worker),
      turn: (worker) => {
        if (worker === seat.worker) {
          this.#events.turn(seat);
          this.#lookAtTasks(seat, worker);
        }
      },
      ended: (worker, how, tasks) => this.#ended(seat, worker, how, tasks, unfit),
    };
  }

  async #isReady(seat: Seat, worker: RunningWorker): Promise<void> {
    // Looked at again in the turn in which it gets its first task: nothing can come in between.
    while (worker.state === "starting" && !this.#events.isPrepared(seat, worker))
      await this.#events.prepare(seat, worker);
    if (worker.state !== "starting" || this.#isClosing) {
      if (this.#isClosing) worker.leave();
      return;
    }
    worker.state = "ready";
    worker.wasReady = true;
    this.#wasReady = true;
    this.#failedStarts = 0;
    if (seat.successor === worker) {
      seat.worker?.leave();
      seat.successor = undefined;
      seat.worker = worker;
    }
    this.#events.ready(seat, worker);
    this.#tellReady();
  }

  #ended(
    seat: Seat,
    worker: RunningWorker,
    how: string,
    tasks: readonly Task[],
    unfit: unknown,
  ): void {
    this.#living.delete(worker);
    if (seat.successor === worker) seat.successor = undefined;
    const isCurrent = seat.worker === worker;
    if (isCurrent) seat.worker = undefined;
    this.#events.lost(seat, worker, how, tasks);
    if (isCurrent && this.seats.includes(seat) && !this.#isClosing) {
      if (worker.wasReady) this.#replace(seat, worker);
      else this.#startFailed(seat, how, unfit);
    }
    if (this.#living.size === 0) for (const tell of this.#onEnded.splice(0)) tell();
  }

  #replace(seat: Seat, worker: RunningWorker): void {
    this.restarts += 1;
    const isProved = worker.tasksDone > 0 || worker.ageMs > PROVED_MS;
    seat.failures = isProved ? 0 : seat.failures + 1;
    if (isProved) this.#launch(seat);
    else this.#launchLater(seat);
  }

  #startFailed(seat: Seat, how: string, unfit: unknown): void {
    seat.failures += 1;
    this.#failedStarts += 1;
    const error = newelError(
      "NEWEL_E_POOL_WORKER_START",
      {
        pool: this.#settings.name,
        worker: seat.number,
        why: unfit === undefined ? how : messageOf(unfit),
      },
      unfit,
    );
    const isFirst = !this.#wasReady;
    if (isFirst || this.#failedStarts >= HOPELESS_STARTS) {
      for (const { reject } of this.#onReady.splice(0)) reject(error);
      const isAlone = this.seats.every(({ ready }) => ready === undefined);
      if (isAlone) this.#events.hopeless(error, isFirst);
    }
    if (!this.#isClosing) this.#launchLater(seat);
  }

  #launchLater(seat: Seat): void {
    const waitMs = backoffMs(this.#settings.backoff, seat.failures);
    seat.timer = setTimeout(() => this.#launch(seat), waitMs).unref();
  }

  /** Recycling by memory or age, each time the worker tells of itself. */
  #look(seat: Seat, worker: RunningWorker): void {
    const { ageMs, rssBytes } = this.#settings.recycle;
    const isOld = ageMs !== undefined && worker.ageMs >= ageMs;
    const isLarge = rssBytes !== undefined && (worker.report?.rssBytes ?? 0) > rssBytes;
    if (isOld || isLarge) this.#recycle(seat, worker);
  }

  #lookAtTasks(seat: Seat, worker: RunningWorker): void {
    const { tasks } = this.#settings.recycle;
    if (tasks !== undefined && worker.tasksDone >= tasks) this.#recycle(seat, worker);
  }

  /** The new worker is ready before the old one leaves. */
  #recycle(seat: Seat, worker: RunningWorker): void {
    if (seat.successor !== undefined || seat.worker !== worker || this.#isClosing) return;
    if (worker.state !== "ready") return;
    this.restarts += 1;
    seat.successor = this.#newWorker(seat);
  }

  /** It takes no more tasks: another is in its seat at once, and it leaves when it can. */
  #retire(seat: Seat, worker: RunningWorker): void {
    if (seat.worker !== worker || this.#isClosing) return;
    this.restarts += 1;
    seat.worker = seat.successor ?? this.#newWorker(seat);
    seat.successor = undefined;
  }

  /** Tasks wait that no worker has room for: if that lasts, there is one more. */
  crowded(): void {
    const { max } = this.#settings;
    if (this.#crowdedTimer !== undefined || this.seats.length >= max || this.#isClosing) return;
    if (this.seats.length === 0) {
      this.start();
      if (this.seats.length === 0) this.#addSeat(0);
      return;
    }
    this.#crowdedTimer = setTimeout(() => {
      this.#crowdedTimer = undefined;
      if (!this.#events.hasWaiting()) return;
      const isStarting = this.seats.some(({ ready }) => ready === undefined);
      if (!isStarting && this.seats.length < max && !this.#isClosing)
        this.#addSeat(this.#freeNumber());
      this.crowded();
    }, CROWDED_MS).unref();
  }

  #freeNumber(): number {
    let number = 0;
    while (this.seats.some((seat) => seat.number === number)) number += 1;
    return number;
  }

  /** The last worker that had nothing to do for long enough leaves. */
  #shrink(): void {
    const { min, idleMs } = this.#settings;
    if (this.seats.length <= min || this.#isClosing) return;
    const seat = this.seats.findLast(
      ({ worker, own }) =>
        worker?.state === "ready" &&
        worker.inFlight === 0 &&
        own.size === 0 &&
        performance.now() - worker.idleSinceMs >= idleMs,
    );
    if (seat === undefined) return;
    this.seats.splice(this.seats.indexOf(seat), 1);
    seat.worker?.leave();
  }

  /** From now on no worker is started; those that have no task leave, the others after their last. */
  async leave(): Promise<void> {
    this.#stopTimers();
    this.#guard?.closing();
    for (const worker of this.#living) {
      if (worker.state === "starting") worker.kill("the pool was closed");
      else worker.leave();
    }
    const timer = setTimeout(
      () => this.killAll(`it did not end within ${TEARDOWN_MS} ms after its last task`),
      TEARDOWN_MS,
    ).unref();
    await this.#allEnded();
    clearTimeout(timer);
    await this.#guard?.close();
  }

  #stopTimers(): void {
    this.#isClosing = true;
    clearTimeout(this.#crowdedTimer);
    clearInterval(this.#idleTimer);
    for (const seat of this.seats) clearTimeout(seat.timer);
  }

  #allEnded(): Promise<void> {
    if (this.#living.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEnded.push(resolve);
    });
  }

  killAll(why: string): void {
    for (const worker of this.#living) worker.kill(why);
  }

  /** Kills those that still have tasks. */
  killBusy(why: string): Task[] {
    const tasks: Task[] = [];
    for (const worker of this.#living) {
      if (worker.inFlight === 0) continue;
      tasks.push(...worker.tasks);
      worker.kill(why);
    }
    return tasks;
  }
}
