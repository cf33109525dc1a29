import type { Task } from "./task.ts";

/** Abort signals of tasks: one listener for each signal, however many tasks share it. */
export class Cancels {
  readonly #all = new WeakMap<AbortSignal, SignalTasks>();
  readonly #onAbort: (task: Task, reason: unknown) => void;
  /** Most tasks have the signal of the task before, or one of their own. */
  #latest: { readonly signal: AbortSignal; readonly tasks: SignalTasks } | undefined;

  constructor(onAbort: (task: Task, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(task: Task, signal: AbortSignal): void {
    if (this.#latest?.signal !== signal) this.#latest = { signal, tasks: this.#tasksOf(signal) };
    this.#latest.tasks.add(task);
  }

  #tasksOf(signal: AbortSignal): SignalTasks {
    const known = this.#all.get(signal);
    if (known !== undefined) return known;
    const tasks = new SignalTasks();
    this.#all.set(signal, tasks);
    // Left there when the tasks are done: it holds an empty list, and taking it off costs more.
    signal.addEventListener("abort", () => tasks.abort(this.#onAbort, signal.reason), {
      once: true,
    });
    return tasks;
  }
}

/** The unsettled tasks of one signal. */
class SignalTasks {
  #first: Task | undefined;

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
    // The latest stands first in the list; they end in the order they came.
    for (const task of tasks.reverse()) onAbort(task, reason);
  }
}
