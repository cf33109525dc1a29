import type { Task } from "./task.ts";

/**
 * Stored on the signal itself, because a WeakMap with a key for every task costs ten times as much.
 */
const TASKS: unique symbol = Symbol("newel.pool.tasks");

interface MarkedSignal extends AbortSignal {
  [TASKS]?: SignalTasks;
}

/** Abort signals of tasks: one listener per signal, however many tasks share it. */
export class Cancels {
  /** Signals that already carry the tasks of another pool. */
  readonly #others = new WeakMap<AbortSignal, SignalTasks>();
  readonly #onAbort: (task: Task, reason: unknown) => void;

  constructor(onAbort: (task: Task, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(task: Task, signal: AbortSignal): void {
    this.#tasksOf(signal).add(task);
  }

  #tasksOf(signal: MarkedSignal): SignalTasks {
    const marked = signal[TASKS];
    if (marked?.owner === this) return marked;
    const known = marked === undefined ? undefined : this.#others.get(signal);
    if (known !== undefined) return known;
    const tasks = new SignalTasks(this);
    if (marked === undefined) signal[TASKS] = tasks;
    else this.#others.set(signal, tasks);
    // The listener stays when the tasks are done: its list is empty, and removing it costs more.
    signal.addEventListener("abort", () => tasks.abort(this.#onAbort, signal.reason), {
      once: true,
    });
    return tasks;
  }
}

/** The unsettled tasks of one signal. */
class SignalTasks {
  readonly owner: Cancels;
  #first: Task | undefined;

  constructor(owner: Cancels) {
    this.owner = owner;
  }

  add(task: Task): void {
    task.signalTasks = this;
    task.signalNext = this.#first;
    if (this.#first !== undefined) this.#first.signalPrevious = task;
    this.#first = task;
  }

  remove(task: Task): void {
    if (task.signalPrevious === undefined) this.#first = task.signalNext;
    else task.signalPrevious.signalNext = task.signalNext;
    if (task.signalNext !== undefined) task.signalNext.signalPrevious = task.signalPrevious;
    task.signalPrevious = undefined;
    task.signalNext = undefined;
    task.signalTasks = undefined;
  }

  abort(onAbort: (task: Task, reason: unknown) => void, reason: unknown): void {
    const tasks: Task[] = [];
    for (let task = this.#first; task !== undefined; task = task.signalNext) tasks.push(task);
    // The latest task is first in the list; the tasks end in the order of their arrival.
    for (const task of tasks.reverse()) onAbort(task, reason);
  }
}
