import { newelError } from "../base/errors.ts";
import { Backlog } from "./backlog.ts";
import { Cancels } from "./cancels.ts";
import { Deadlines } from "./deadlines.ts";
import { Histogram } from "./histogram.ts";
import type { Settings } from "./options.ts";
import { Ring } from "./ring.ts";
import type { RunningWorker } from "./running-worker.ts";
import type { Seat } from "./seat.ts";
import { ANY_WORKER, earlier, Task, type TaskRequest } from "./task.ts";

/** What the dispatcher asks of the rest of the pool. */
export interface DispatcherWork {
  /** How many more results may come; no `put` task starts whose result would have no room. */
  resultRoom(): number;
  /** Tasks wait that no worker has room for. */
  crowded(): void;
  /** The last task was settled. */
  idle(): void;
  /** There are tasks again. */
  busy(): void;
  /** Tasks may be put again, after a refusal. */
  roomAgain(): void;
}

/**
 * Which task goes where, and when. A task goes at once to the least busy worker that has room for it;
 * else it waits, in the pool's queue or in that of its worker, and the first worker with room takes
 * it. Tasks of one priority start in the order they came.
 */
export class Dispatcher {
  readonly #settings: Settings;
  readonly #work: DispatcherWork;
  readonly #seats: readonly Seat[];
  readonly #shared = new Backlog();
  /** Producers that wait for a place in the queue. */
  readonly #producers = new Ring<{ readonly task: Task; readonly resolve: () => void }>();
  readonly #deadlines = new Deadlines((task, limitMs) => this.#late(task, limitMs));
  readonly #cancels = new Cancels((task, reason) => this.cancel(task, reason));
  readonly waitTimes: Histogram = new Histogram();
  #outstanding = 0;
  /** Tasks of `put` that workers have: each needs room for its result. */
  #putsRunning = 0;
  #wasRefused = false;
  /** Where the search for a worker begins, so that equal ones take turns. */
  #turn = 0;
  failed = 0;
  done = 0;

  /** @param seats - the pool's own list: it grows and shrinks */
  constructor(settings: Settings, seats: readonly Seat[], work: DispatcherWork) {
    this.#settings = settings;
    this.#seats = seats;
    this.#work = work;
  }

  /** Tasks that are not settled. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Tasks that wait for a worker, without those of waiting producers. */
  get waiting(): number {
    let waiting = this.#shared.size;
    for (const { own } of this.#seats) waiting += own.size;
    return waiting;
  }

  /** Whether any worker could take a task at once if it had room. */
  get hasWaiting(): boolean {
    return this.#shared.size > 0;
  }

  isFull(workerNumber: number): boolean {
    const { queueSize, max } = this.#settings;
    if (workerNumber === ANY_WORKER) return this.#shared.size >= queueSize * max;
    return (this.#seat(workerNumber)?.own.size ?? 0) >= queueSize;
  }

  /** Takes a task that may wait as long as it has to. */
  submit(request: TaskRequest, signal: AbortSignal | undefined, timeoutMs: number): Task {
    const task = this.#admit(request, signal, timeoutMs);
    this.#place(task);
    return task;
  }

  /** Takes a broadcast's task for one seat. */
  submitTo(
    seat: Seat,
    request: TaskRequest,
    stickyKey: string | undefined,
    signal: AbortSignal | undefined,
    timeoutMs: number,
  ): void {
    const task = this.#admit(request, signal, timeoutMs);
    if (task.isSettled) return;
    task.stickyKey = stickyKey;
    if (seat.ready === undefined && stickyKey !== undefined) {
      seat.addAwaiting(stickyKey, task);
      return;
    }
    seat.own.push(task);
    this.refill(seat);
  }

  /** Sends a task to a worker that takes no others yet. */
  sendDirectly(worker: RunningWorker, request: TaskRequest): void {
    const task = this.#admit(request, undefined, 0);
    worker.send(task, task.enqueuedMs);
  }

  /** Takes a task when there is room in the queue: resolves then. */
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

  /** Somebody was told that the queues are full; `roomAgain` follows. */
  refused(): void {
    this.#wasRefused = true;
  }

  #admit(request: TaskRequest, signal: AbortSignal | undefined, timeoutMs: number): Task {
    const task = new Task(request, performance.now());
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
    if (worker === undefined) {
      this.#shared.push(task);
      this.#work.crowded();
    } else this.#send(worker, task, task.enqueuedMs);
  }

  /** What waits may wait for results to be taken only, or be less urgent. */
  #goesFirst(task: Task): boolean {
    const next = this.#shared.peek(this.#putsMayStart());
    return next === undefined || earlier(next, task) === task;
  }

  #placeAt(task: Task): void {
    const seat = this.#seat(task.workerNumber);
    if (seat === undefined) {
      this.fail(
        task,
        newelError("NEWEL_E_POOL_NO_WORKER", {
          pool: this.#settings.name,
          worker: task.workerNumber,
        }),
      );
      return;
    }
    seat.own.push(task);
    if (seat.ready !== undefined) this.refill(seat);
  }

  #seat(number: number): Seat | undefined {
    return this.#seats.find((seat) => seat.number === number);
  }

  /** The least busy worker with room; one that stands still only if there is no other. */
  #choose(nowMs: number): RunningWorker | undefined {
    const seats = this.#seats;
    const count = seats.length;
    let best: RunningWorker | undefined;
    let bestLoad = Number.POSITIVE_INFINITY;
    let at = this.#turn;
    for (let tried = 0; tried < count; tried += 1, at += 1) {
      if (at >= count) at -= count;
      const seat = seats[at];
      const worker = seat?.worker;
      // Tasks that only this worker may run go first.
      if (seat === undefined || worker === undefined || seat.own.size > 0) continue;
      if (!worker.hasRoom(nowMs)) continue;
      const isQuiet = worker.allowance.isQuiet(worker.inFlight, nowMs);
      const load = isQuiet ? worker.inFlight + 1e9 : worker.inFlight;
      if (load >= bestLoad) continue;
      best = worker;
      bestLoad = load;
      if (load === 0) break;
    }
    this.#turn = at + 1 >= count ? 0 : at + 1;
    return best;
  }

  #putsMayStart(): boolean {
    return this.#work.resultRoom() > this.#putsRunning;
  }

  #send(worker: RunningWorker, task: Task, nowMs: number): void {
    this.waitTimes.record(nowMs - task.enqueuedMs);
    if (task.isPut) this.#putsRunning += 1;
    worker.send(task, nowMs);
  }

  /** Gives a worker what waits, as far as it has room. */
  refill(seat: Seat): void {
    const { worker } = seat;
    if (worker === undefined || (this.#shared.size === 0 && seat.own.size === 0)) return;
    const nowMs = performance.now();
    while (worker.hasRoom(nowMs)) {
      const withPuts = this.#putsMayStart();
      const own = seat.own.size === 0 ? undefined : seat.own.peek(withPuts);
      const shared = this.#shared.size === 0 ? undefined : this.#shared.peek(withPuts);
      const task = earlier(own, shared);
      if (task === undefined) break;
      (task === own ? seat.own : this.#shared).take(task);
      this.#send(worker, task, nowMs);
    }
    this.#admitProducers();
  }

  /** Gives all workers what waits. */
  refillAll(): void {
    for (const seat of this.#seats) this.refill(seat);
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

  /** The worker of these tasks is gone: they run again as far as they may. */
  lost(seat: Seat, tasks: readonly Task[], how: string, error: () => Error): void {
    const failing: Task[] = [];
    // A worker that was leaving has a successor, which may take tasks already.
    const isTaken = seat.ready !== undefined;
    if (!isTaken) seat.keepSticky();
    // Backwards, since each goes before those that wait.
    for (const task of tasks.toReversed()) {
      if (task.isSettled) continue;
      if (task.fate !== undefined) failing.push(task);
      else if (task.stickyKey !== undefined) {
        task.worker = undefined;
        if (isTaken) seat.own.unshift(task);
        else seat.addAwaiting(task.stickyKey, task);
      } else if (task.retriesLeft > 0) {
        task.worker = undefined;
        task.retriesLeft -= 1;
        if (task.isPut) this.#putsRunning -= 1;
        (task.workerNumber === ANY_WORKER ? this.#shared : seat.own).unshift(task);
      } else failing.push(task);
    }
    for (const task of failing.reverse()) this.fail(task, task.fate?.(how) ?? error());
    this.refillAll();
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
    task.body = "";
    task.deadlines?.remove(task);
    task.signalTasks?.remove(task);
    return true;
  }

  #settled(): void {
    this.#outstanding -= 1;
    if (this.#outstanding === 0) this.#work.idle();
  }

  #late(task: Task, limitMs: number): void {
    this.#abandon(task, limitMs, undefined, (how) =>
      newelError("NEWEL_E_DEADLINE", { what: "The task", limitMs, ...how }),
    );
  }

  /** Its caller does not want it any more. */
  cancel(task: Task, reason: unknown): void {
    this.#abandon(task, 0, reason, (how) =>
      newelError("NEWEL_E_CANCELLED", { what: "The task", ...how }, reason),
    );
  }

  #abandon(
    task: Task,
    limitMs: number,
    reason: unknown,
    error: (how: { readonly how?: string }) => Error,
  ): void {
    // Only the first of a signal and a deadline counts.
    if (task.isSettled || task.fate !== undefined) return;
    const { worker, terms } = task;
    if (worker !== undefined && terms?.graceMs !== undefined) {
      task.fate = (how) => error({ how });
      worker.end(task, limitMs, reason, terms.graceMs);
      return;
    }
    this.fail(task, error({}));
    if (worker !== undefined) worker.cancel(task, limitMs, reason);
    else this.#forgetWaiting(task);
  }

  #forgetWaiting(task: Task): void {
    task.waitsIn?.forget(task);
    this.#admitProducers();
  }

  /** Everything that waits, of producers too. */
  *waitingTasks(): Generator<Task> {
    yield* this.#shared;
    for (const { own, awaitingReplay } of this.#seats) {
      yield* own;
      for (const tasks of awaitingReplay.values()) yield* tasks;
    }
    for (const { task } of this.#producers) yield task;
  }

  /** Settles all that waits with an error, and lets the producers go. */
  failWaiting(error: () => Error): void {
    for (const task of Array.from(this.waitingTasks())) {
      if (task.isSettled) continue;
      this.fail(task, error());
      this.#forgetWaiting(task);
    }
    this.#admitProducers();
  }
}
