import { newelError } from "../base/errors.ts";
import { monotonicMs } from "../base/globals.ts";
import { Backlog } from "./backlog.ts";
import { discardBody } from "./body.ts";
import { Cancels } from "./cancels.ts";
import { Deadlines } from "./deadlines.ts";
import { GivingUp } from "./giving-up.ts";
import type { Settings } from "./settings.ts";
import { Ring } from "./ring.ts";
import type { LeftTasks } from "./worker-events.ts";
import type { WorkerHandle } from "./worker-handle.ts";
import type { WorkerSlot } from "./worker-slot.ts";
import { ANY_WORKER, earlier, Task, type TaskRequest } from "./task.ts";

/** The callbacks of the dispatcher to the rest of the pool. */
export interface DispatcherWork {
  /**
   * The number of further results that have room; no `put` task starts if its result would have no
   * room.
   */
  resultRoom(): number;
  /**
   * Tasks wait, in the pool or in a worker: the pulse checks periodically whether they still do.
   */
  watch(): void;
  /** The last task was settled. */
  idle(): void;
  /** There are tasks again. */
  busy(): void;
  /** Tasks can be put again, after a refusal. */
  roomAgain(): void;
}

/**
 * Decides which worker gets which task, and when. A task is sent immediately to the least busy
 * worker with room; otherwise it waits, in the pool's queue or in that of its worker, and the first
 * worker with room takes it. Tasks of one priority start in the order of their arrival.
 */
export class Dispatcher {
  readonly #settings: Settings;
  readonly #work: DispatcherWork;
  readonly #slots: readonly WorkerSlot[];
  readonly #shared = new Backlog();
  /** Producers that wait for a place in the queue. */
  readonly #producers = new Ring<{ readonly task: Task; readonly resolve: () => void }>();
  readonly #givingUp = new GivingUp({
    settle: (task) => this.settle(task, undefined),
    fail: (task, error) => this.fail(task, error),
    forget: (task) => this.#forgetWaiting(task),
  });
  readonly #deadlines = new Deadlines((task, limitMs) => this.#givingUp.late(task, limitMs));
  readonly #cancels = new Cancels((task, reason) => this.#givingUp.cancel(task, reason));
  #outstanding = 0;
  /** Tasks of `put` that workers have: each needs room for its result. */
  #putsRunning = 0;
  #wasRefused = false;
  /** The start of the search for a worker, so that equally busy workers alternate. */
  #turn = 0;
  failed = 0;
  done = 0;

  /** @param slots - the pool's own list, which grows and shrinks */
  constructor(settings: Settings, slots: readonly WorkerSlot[], work: DispatcherWork) {
    this.#settings = settings;
    this.#slots = slots;
    this.#work = work;
  }

  /** Tasks that are not settled. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Tasks that wait for a worker, without those of waiting producers. */
  get waiting(): number {
    let waiting = this.#shared.size;
    for (const { own } of this.#slots) waiting += own.size;
    return waiting;
  }

  /** Tasks that wait for any worker. */
  get waitingForAny(): number {
    return this.#shared.size;
  }

  /** The waiting time of the next of them, in milliseconds. */
  oldestMs(nowMs: number): number {
    const next = this.#shared.peek(this.#putsMayStart());
    return next === undefined ? 0 : nowMs - next.enqueuedMs;
  }

  isFull(workerNumber: number): boolean {
    const { queueSize, max } = this.#settings;
    if (workerNumber === ANY_WORKER) return this.#shared.size >= queueSize * max;
    return (this.#slot(workerNumber)?.own.size ?? 0) >= queueSize;
  }

  /** Accepts a task that may wait without limit. */
  submit(request: TaskRequest, signal: AbortSignal | undefined, timeoutMs: number): Task {
    const task = this.#admit(request, signal, timeoutMs);
    this.#place(task);
    return task;
  }

  /** Accepts a broadcast's task for one slot. */
  submitTo(
    slot: WorkerSlot,
    request: TaskRequest,
    stickyKey: string | undefined,
    signal: AbortSignal | undefined,
    timeoutMs: number,
  ): void {
    const task = this.#admit(request, signal, timeoutMs);
    if (task.isSettled) return;
    task.stickyKey = stickyKey;
    if (slot.ready === undefined && stickyKey !== undefined) {
      slot.addAwaiting(stickyKey, task);
      return;
    }
    slot.own.push(task);
    this.refill(slot);
  }

  /** Sends a task to a worker that accepts no other tasks yet. */
  sendDirectly(worker: WorkerHandle, request: TaskRequest): void {
    const task = this.#admit(request, undefined, 0);
    worker.send(task, task.enqueuedMs);
  }

  /** Accepts a task when there is room in the queue, and then resolves. */
  submitLater(request: TaskRequest, timeoutMs: number): Promise<void> {
    const isFull = this.#producers.length > 0 || this.isFull(request.workerNumber);
    const task = this.#admit(request, undefined, timeoutMs);
    if (!isFull) {
      this.#place(task);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#producers.push({ task, resolve });
    });
  }

  /** A caller was refused because the queues are full; `roomAgain` follows. */
  refused(): void {
    this.#wasRefused = true;
  }

  #admit(request: TaskRequest, signal: AbortSignal | undefined, timeoutMs: number): Task {
    const task = new Task(request, monotonicMs());
    this.#outstanding += 1;
    if (this.#outstanding === 1) this.#work.busy();
    if (timeoutMs > 0) this.#deadlines.add(task, timeoutMs);
    if (signal !== undefined) this.#cancels.add(task, signal);
    return task;
  }

  #place(task: Task): void {
    if (task.isSettled) return;
    if (task.workerNumber !== ANY_WORKER) {
      this.#placeAt(task);
      return;
    }
    const mayStart = this.#shared.size === 0 || this.#goesFirst(task);
    const worker =
      mayStart && (!task.isPut || this.#putsMayStart()) ? this.#choose(task.enqueuedMs) : undefined;
    if (worker !== undefined) {
      this.#send(worker, task, task.enqueuedMs);
      return;
    }
    this.#shared.push(task);
    this.pingQuiet(task.enqueuedMs);
    this.#work.watch();
  }

  /**
   * Tasks wait for workers that were silent for a while: each gets a PING to check its event loop.
   */
  pingQuiet(nowMs: number): void {
    for (const { ready } of this.#slots)
      if (ready?.window.untold === 0 && ready.window.isQuiet(ready.inFlight, nowMs))
        ready.pings.ping();
  }

  /** The waiting tasks may only wait for room for results, or be less urgent. */
  #goesFirst(task: Task): boolean {
    const next = this.#shared.peek(this.#putsMayStart());
    return next === undefined || earlier(next, task) === task;
  }

  #placeAt(task: Task): void {
    const slot = this.#slot(task.workerNumber);
    if (slot === undefined) {
      this.fail(
        task,
        newelError("NEWEL_E_POOL_NO_WORKER", {
          pool: this.#settings.name,
          worker: task.workerNumber,
        }),
      );
      return;
    }
    slot.own.push(task);
    if (slot.ready === undefined) return;
    this.refill(slot);
    if (slot.own.size === 0) return;
    this.pingQuiet(task.enqueuedMs);
    this.#work.watch();
  }

  #slot(number: number): WorkerSlot | undefined {
    return this.#slots.find((slot) => slot.number === number);
  }

  /** The least busy worker with room; equally busy workers alternate. */
  #choose(nowMs: number): WorkerHandle | undefined {
    const slots = this.#slots;
    const count = slots.length;
    let best: WorkerHandle | undefined;
    let bestLoad = Number.POSITIVE_INFINITY;
    let at = this.#turn >= count ? 0 : this.#turn;
    for (let tried = 0; tried < count; tried += 1) {
      const slot = slots[at];
      at = at + 1 === count ? 0 : at + 1;
      const worker = slot?.worker;
      // Tasks that only this worker may run go first.
      if (slot === undefined || worker === undefined || slot.own.size > 0) continue;
      if (worker.inFlight >= bestLoad || !worker.hasRoom(nowMs)) continue;
      best = worker;
      bestLoad = worker.inFlight;
      this.#turn = at;
      if (bestLoad === 0) break;
    }
    return best;
  }

  #putsMayStart(): boolean {
    return this.#work.resultRoom() > this.#putsRunning;
  }

  #send(worker: WorkerHandle, task: Task, nowMs: number): void {
    if (task.isPut) this.#putsRunning += 1;
    worker.send(task, nowMs);
    this.#work.watch();
  }

  /** Sends waiting tasks to a worker while the worker has room. */
  refill(slot: WorkerSlot): void {
    const { worker } = slot;
    if (worker === undefined || (this.#shared.size === 0 && slot.own.size === 0)) return;
    const nowMs = monotonicMs();
    while (worker.hasRoom(nowMs)) {
      const withPuts = this.#putsMayStart();
      const own = slot.own.size === 0 ? undefined : slot.own.peek(withPuts);
      const shared = this.#shared.size === 0 ? undefined : this.#shared.peek(withPuts);
      const task = earlier(own, shared);
      if (task === undefined) break;
      (task === own ? slot.own : this.#shared).take(task);
      this.#send(worker, task, nowMs);
    }
    this.#admitProducers();
  }

  /** Sends waiting tasks to all workers. */
  refillAll(): void {
    for (const slot of this.#slots) this.refill(slot);
  }

  #admitProducers(): void {
    for (let next = this.#producers.peek(); next !== undefined; next = this.#producers.peek()) {
      if (!next.task.isSettled && this.isFull(next.task.workerNumber)) return;
      this.#producers.shift();
      this.#place(next.task);
      next.resolve();
    }
    if (!this.#wasRefused || this.isFull(ANY_WORKER)) return;
    this.#wasRefused = false;
    this.#work.roomAgain();
  }

  /**
   * A worker has ended: tasks that it had not begun run in another worker, the others if they may
   * be retried.
   */
  lost(slot: WorkerSlot, { begun, unbegun }: LeftTasks, how: string, error: () => Error): void {
    const failing: Task[] = [];
    // A worker that was leaving has a successor, which may accept tasks already.
    const isTaken = slot.ready !== undefined;
    if (!isTaken) slot.keepSticky();
    this.#requeue(slot, unbegun, isTaken);
    const again: Task[] = [];
    for (const task of begun) {
      if (task.isSettled) continue;
      if (task.pendingRejection !== undefined) failing.push(task);
      else if (task.stickyKey !== undefined) again.push(task);
      else if (task.retriesLeft > 0) {
        task.retriesLeft -= 1;
        again.push(task);
      } else failing.push(task);
    }
    this.#requeue(slot, again, isTaken);
    for (const task of failing) this.fail(task, task.pendingRejection?.(how) ?? error());
    this.refillAll();
  }

  /** A worker returns tasks that it had not begun. */
  returned(slot: WorkerSlot, tasks: readonly Task[]): void {
    this.#requeue(slot, tasks, true);
    this.refillAll();
    this.#work.watch();
  }

  /** Requeues tasks at the head of their queue. */
  #requeue(slot: WorkerSlot, tasks: readonly Task[], isTaken: boolean): void {
    // Backwards, because each task goes before the waiting ones.
    for (const task of tasks.toReversed()) {
      if (task.isSettled) continue;
      if (task.pendingRejection !== undefined) {
        this.fail(task, task.pendingRejection("it was not begun"));
        continue;
      }
      task.worker = undefined;
      if (task.isPut) this.#putsRunning -= 1;
      if (task.stickyKey !== undefined && !isTaken) slot.addAwaiting(task.stickyKey, task);
      else if (task.workerNumber === ANY_WORKER) this.#shared.unshift(task);
      else slot.own.unshift(task);
    }
  }

  settle(task: Task, result: unknown): void {
    if (!this.#finish(task)) return;
    this.done += 1;
    task.resolve(result, task.worker?.number ?? task.workerNumber);
    this.#settled();
  }

  fail(task: Task, error: unknown): void {
    if (!this.#finish(task)) return;
    this.failed += 1;
    task.reject(error, task.worker?.number ?? task.workerNumber);
    this.#settled();
  }

  #finish(task: Task): boolean {
    if (task.isSettled) return false;
    task.isSettled = true;
    if (task.isPut && task.worker !== undefined) this.#putsRunning -= 1;
    if (!task.isHandedOver) discardBody(task.body);
    task.body = "";
    task.deadlines?.remove(task);
    task.signalTasks?.remove(task);
    return true;
  }

  #settled(): void {
    this.#outstanding -= 1;
    if (this.#outstanding === 0) this.#work.idle();
  }

  /** The reader of a stream has enough: its task is done. */
  leave(task: Task): void {
    this.#givingUp.leave(task);
  }

  #forgetWaiting(task: Task): void {
    task.waitsIn?.forget(task);
    this.#admitProducers();
  }

  /** All waiting tasks, including those of producers. */
  *waitingTasks(): Generator<Task> {
    yield* this.#shared;
    for (const { own, awaitingReplay } of this.#slots) {
      yield* own;
      for (const tasks of awaitingReplay.values()) yield* tasks;
    }
    for (const { task } of this.#producers) yield task;
  }

  /** Settles all waiting tasks with an error, and resumes the producers. */
  failWaiting(error: () => Error): void {
    for (const task of Array.from(this.waitingTasks())) {
      if (task.isSettled) continue;
      this.fail(task, error());
      this.#forgetWaiting(task);
    }
    this.#admitProducers();
  }
}
