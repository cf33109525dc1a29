import { AsyncLocalStorage } from "node:async_hooks";

import { backoffMs } from "../base/backoff.ts";
import { messageOf, newelError } from "../base/errors.ts";
import { monotonicMs, setInterval, clearInterval } from "../base/globals.ts";
import { startTimer } from "../base/timers.ts";
import { Guard } from "./guard.ts";
import { Histogram, type TaskTimes } from "./histogram.ts";
import { MemoryWatch } from "./memory-watch.ts";
import type { Settings } from "./settings.ts";
import type { LeftTasks, WorkerEvents } from "./worker-events.ts";
import type { OutputInfo } from "./options.ts";
import { WorkerOutput } from "./worker-output.ts";
import { WorkerHandle } from "./worker-handle.ts";
import { WorkerSlot } from "./worker-slot.ts";
import type { Task } from "./task.ts";

/** After this many failed starts in a row, with no worker left, the waiting tasks are rejected. */
const HOPELESS_STARTS = 5;
/** A worker that lived this long did not fail because of its start, even if it did no task. */
const PROVED_MS = 60_000;
/** One hour: the longest timer of Node.js is under 25 days. */
const MAX_INTERVAL_MS = 3_600_000;
/** Milliseconds that a worker without tasks may take to exit. */
const TEARDOWN_MS = 5_000;

/** The callbacks of the fleet to the rest of the pool. */
export interface FleetEvents {
  /** Whether a worker that is set up may accept tasks. */
  isPrepared(slot: WorkerSlot, worker: WorkerHandle): boolean;
  /** The work that is required before it may. */
  prepare(slot: WorkerSlot, worker: WorkerHandle): Promise<void>;
  /** From now on the worker accepts tasks. */
  ready(slot: WorkerSlot, worker: WorkerHandle): void;
  settled(task: Task, result: unknown): void;
  failed(task: Task, error: unknown): void;
  message(worker: WorkerHandle, message: unknown): void;
  turn(slot: WorkerSlot): void;
  lost(slot: WorkerSlot, worker: WorkerHandle, how: string, tasks: LeftTasks): void;
  returned(slot: WorkerSlot, tasks: readonly Task[]): void;
  /** A line of output of a worker, for a pool that reads them. */
  line(line: string, info: OutputInfo): void;
  /** No worker runs, and none could be started. */
  hopeless(error: Error, isFirst: boolean): void;
  /** A problem that does not stop the workers. */
  trouble(error: Error): void;
}

/**
 * The workers of a pool: starts them, replaces those that end, and adjusts their number to the
 * load.
 */
export class Fleet {
  readonly slots: WorkerSlot[] = [];
  readonly times: TaskTimes = { wait: new Histogram(), run: new Histogram() };
  readonly #settings: Settings;
  readonly #events: FleetEvents;
  readonly #credit: number;
  /**
   * The context in which the pool was made: results and events of workers run in it, not in that of
   * a task.
   */
  readonly #inContext: ReturnType<typeof AsyncLocalStorage.snapshot>;
  /** All workers that were started and have not ended. */
  readonly #living = new Set<WorkerHandle>();
  readonly #memory = new MemoryWatch(this.#living);
  readonly #output: WorkerOutput;
  /** For a pool whose workers lead process groups, from its start on. */
  #guard: Guard | undefined;
  #onEnded: (() => void)[] = [];
  #onReady: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #isClosing = false;
  #wasReady = false;
  #failedStarts = 0;
  /** The last reported reason why a worker could not start. */
  #reportedWhy: string | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  restarts = 0;

  constructor(settings: Settings, events: FleetEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#inContext = AsyncLocalStorage.snapshot();
    this.#output = new WorkerOutput((line, info) => events.line(line, info));
    this.#credit = Math.max(1, Math.floor(settings.resultQueueSize / settings.max));
  }

  /** All workers that were started and have not ended. */
  get workers(): Iterable<WorkerHandle> {
    return this.#living;
  }

  get isStarted(): boolean {
    return this.slots.length > 0 || this.#idleTimer !== undefined;
  }

  /** Starts the minimum number of workers. */
  start(): void {
    if (this.isStarted || this.#isClosing) return;
    const { processGroup, name } = this.#settings;
    if (processGroup) this.#guard ??= new Guard(name, (error) => this.#events.trouble(error));
    for (let number = 0; number < this.#settings.min; number += 1) this.#addSlot(number);
    if (this.#settings.max === this.#settings.min) return;
    const everyMs = Math.min(MAX_INTERVAL_MS, Math.max(50, this.#settings.idleMs / 2));
    this.#idleTimer = setInterval(() => this.#shrink(), everyMs).unref();
  }

  /** Resolves when all present workers accept tasks. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosing) {
        reject(this.#closedError());
        return;
      }
      this.#onReady.push({ resolve, reject });
      this.#tellReady();
    });
  }

  #closedError(): Error {
    return newelError("NEWEL_E_POOL_CLOSED", { pool: this.#settings.name, state: "closed" });
  }

  #tellReady(): void {
    if (this.slots.some((slot) => slot.ready === undefined)) return;
    for (const { resolve } of this.#onReady.splice(0)) resolve();
  }

  #addSlot(number: number): void {
    const slot = new WorkerSlot(number);
    this.slots.push(slot);
    this.#launch(slot);
  }

  #launch(slot: WorkerSlot): void {
    slot.timer = undefined;
    if (this.#isClosing) return;
    slot.worker = this.#newWorker(slot);
  }

  #newWorker(slot: WorkerSlot): WorkerHandle {
    const worker = this.#inContext(
      () =>
        new WorkerHandle(
          this.#settings,
          slot.number,
          this.#credit,
          this.times,
          this.#guard,
          this.#eventsOf(slot),
        ),
    );
    this.#living.add(worker);
    return worker;
  }

  #eventsOf(slot: WorkerSlot): WorkerEvents<WorkerHandle> {
    let unfit: unknown;
    return {
      output: (streams, worker, pid) => this.#output.read(streams, worker, pid),
      ready: (worker) => void this.#isReady(slot, worker),
      unfit: (_worker, error) => {
        unfit = error;
      },
      done: (task, result) => this.#events.settled(task, result),
      failed: (task, error) => this.#events.failed(task, error),
      message: (worker, message) => this.#events.message(worker, message),
      report: (worker) => this.#look(slot, worker),
      limited: () => this.#memory.start(),
      retired: (worker) => this.#retire(slot, worker),
      returned: (tasks) => this.#events.returned(slot, tasks),
      turn: (worker) => {
        if (worker === slot.worker) {
          this.#events.turn(slot);
          this.#lookAtTasks(slot, worker);
        }
      },
      ended: (worker, how, tasks) => this.#ended(slot, worker, how, tasks, unfit),
    };
  }

  async #isReady(slot: WorkerSlot, worker: WorkerHandle): Promise<void> {
    // Checked again in the turn in which the worker gets its first task: no event can happen in
    // between.
    while (worker.state === "starting" && !this.#events.isPrepared(slot, worker))
      await this.#events.prepare(slot, worker);
    if (worker.state !== "starting" || this.#isClosing) {
      if (this.#isClosing) worker.leave();
      return;
    }
    worker.state = "ready";
    worker.wasReady = true;
    this.#wasReady = true;
    this.#failedStarts = 0;
    if (slot.successor === worker) {
      slot.worker?.leave();
      slot.successor = undefined;
      slot.worker = worker;
    }
    this.#events.ready(slot, worker);
    this.#tellReady();
  }

  #ended(
    slot: WorkerSlot,
    worker: WorkerHandle,
    how: string,
    tasks: LeftTasks,
    unfit: unknown,
  ): void {
    this.#living.delete(worker);
    if (slot.successor === worker) slot.successor = undefined;
    const isCurrent = slot.worker === worker;
    if (isCurrent) slot.worker = undefined;
    const isStart = isCurrent && !worker.wasReady && unfit !== undefined;
    this.#events.lost(
      slot,
      worker,
      isStart ? `it could not start: ${messageOf(unfit)}` : how,
      tasks,
    );
    if (isCurrent && this.slots.includes(slot) && !this.#isClosing) {
      if (worker.wasReady) this.#replace(slot, worker);
      else this.#startFailed(slot, how, unfit);
    }
    if (this.#living.size === 0) for (const tell of this.#onEnded.splice(0)) tell();
  }

  #replace(slot: WorkerSlot, worker: WorkerHandle): void {
    this.restarts += 1;
    // A worker that the pool itself killed for a task is not broken. Other workers must have
    // completed a task: a worker that dies while it is idle would otherwise be restarted without
    // end.
    const isProved =
      worker.departure.wasForTask || worker.tasksDone > 0 || worker.ageMs > PROVED_MS;
    slot.failures = isProved ? 0 : slot.failures + 1;
    if (isProved) this.#launch(slot);
    else this.#launchLater(slot);
  }

  /**
   * The pool gives up only when no worker runs and none is being started: before the first worker
   * was ready when each slot has failed, later after several failures. A single failure is retried.
   */
  #startFailed(slot: WorkerSlot, how: string, unfit: unknown): void {
    slot.failures += 1;
    this.#failedStarts += 1;
    const why = unfit === undefined ? how : messageOf(unfit);
    const facts = { pool: this.#settings.name, worker: slot.number, why };
    const error = newelError("NEWEL_E_POOL_WORKER_START", facts, unfit);
    const isAlone = this.slots.every(({ worker }) => worker === undefined);
    const isFirst = !this.#wasReady;
    const isHopeless = isAlone && (isFirst || this.#failedStarts >= HOPELESS_STARTS);
    if (isHopeless || slot.failures >= HOPELESS_STARTS)
      for (const { reject } of this.#onReady.splice(0)) reject(error);
    // Rejected tasks and `start` report it; otherwise it is reported the first time, and when the
    // reason changes.
    if (!(isHopeless && isFirst) && this.#reportedWhy !== why) {
      this.#reportedWhy = why;
      this.#events.trouble(error);
    }
    if (isHopeless) this.#events.hopeless(error, isFirst);
    if (!this.#isClosing) this.#launchLater(slot);
  }

  #launchLater(slot: WorkerSlot): void {
    const waitMs = backoffMs(this.#settings.backoff, slot.failures);
    slot.timer = startTimer(waitMs, () => this.#launch(slot));
  }

  /** Recycling by memory or age, at each report of the worker. */
  #look(slot: WorkerSlot, worker: WorkerHandle): void {
    const { ageMs, rssBytes } = this.#settings.recycle;
    // Without work a worker is not recycled: it would be replaced without end.
    if (worker.tasksDone === 0) return;
    const isOld = ageMs !== undefined && worker.ageMs >= ageMs;
    const isLarge = rssBytes !== undefined && (worker.report?.rssBytes ?? 0) > rssBytes;
    if (isOld || isLarge) this.#recycle(slot, worker);
  }

  #lookAtTasks(slot: WorkerSlot, worker: WorkerHandle): void {
    const { tasks } = this.#settings.recycle;
    if (tasks !== undefined && worker.tasksDone >= tasks) this.#recycle(slot, worker);
  }

  /** Replaces a worker; the new worker is ready before the old one leaves. */
  #recycle(slot: WorkerSlot, worker: WorkerHandle): void {
    if (slot.successor !== undefined || slot.worker !== worker || this.#isClosing) return;
    if (worker.state !== "ready") return;
    this.restarts += 1;
    slot.successor = this.#newWorker(slot);
  }

  /**
   * Removes a worker from its slot, which gets another at once; the removed worker leaves when it
   * can.
   */
  #retire(slot: WorkerSlot, worker: WorkerHandle): void {
    if (slot.worker !== worker || this.#isClosing) return;
    this.restarts += 1;
    slot.worker = slot.successor ?? this.#newWorker(slot);
    slot.successor = undefined;
  }

  /** Starts more workers, up to the maximum size. */
  grow(count: number): void {
    if (this.#isClosing) return;
    this.start();
    const size = Math.min(this.#settings.max, this.slots.length + count);
    while (this.slots.length < size) this.#addSlot(this.#freeNumber());
  }

  #freeNumber(): number {
    let number = 0;
    while (this.slots.some((slot) => slot.number === number)) number += 1;
    return number;
  }

  /** Retires the last worker that was idle for long enough. */
  #shrink(): void {
    const { min, idleMs } = this.#settings;
    if (this.slots.length <= min || this.#isClosing) return;
    const slot = this.slots.findLast(
      ({ worker, own }) =>
        worker?.state === "ready" &&
        worker.inFlight === 0 &&
        own.size === 0 &&
        monotonicMs() - worker.idleSinceMs >= idleMs,
    );
    if (slot === undefined) return;
    this.slots.splice(this.slots.indexOf(slot), 1);
    slot.worker?.leave();
  }

  /** Stops starting workers; workers without a task leave, the others after their last task. */
  async leave(): Promise<void> {
    this.#stopTimers();
    this.#guard?.closing();
    for (const worker of this.#living) {
      if (worker.state === "starting") worker.departure.kill("the pool was closed");
      else worker.leave();
    }
    const timer = startTimer(TEARDOWN_MS, () =>
      this.killAll(`it did not end within ${TEARDOWN_MS} ms after its last task`),
    );
    await this.#allEnded();
    timer.stop();
    await this.#output.ended();
    await this.#guard?.close();
  }

  #stopTimers(): void {
    this.#isClosing = true;
    for (const { reject } of this.#onReady.splice(0)) reject(this.#closedError());
    clearInterval(this.#idleTimer);
    for (const slot of this.slots) slot.timer?.stop();
  }

  #allEnded(): Promise<void> {
    if (this.#living.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEnded.push(resolve);
    });
  }

  killAll(why: string): void {
    for (const worker of this.#living) worker.departure.kill(why);
  }

  /** Kills the workers that still have tasks. */
  killBusy(why: string): Task[] {
    const tasks: Task[] = [];
    for (const worker of this.#living) {
      if (worker.inFlight === 0) continue;
      tasks.push(...worker.tasks);
      worker.departure.kill(why);
    }
    return tasks;
  }
}
