import type { Task } from "./task.ts";

/** Abort signals of tasks: one listener for each signal, however many tasks share it. */
export class Cancels {
  readonly #tasks = new WeakMap<AbortSignal, Set<Task>>();
  readonly #onAbort: (task: Task, reason: unknown) => void;

  constructor(onAbort: (task: Task, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(task: Task, signal: AbortSignal): void {
    let tasks = this.#tasks.get(signal);
    if (tasks === undefined) {
      const all = new Set<Task>();
      tasks = all;
      this.#tasks.set(signal, all);
      // Left there when the tasks are done: it holds an empty set, and taking it off costs more.
      signal.addEventListener(
        "abort",
        () => {
          for (const each of all) this.#onAbort(each, signal.reason);
        },
        { once: true },
      );
    }
    tasks.add(task);
    task.signalTasks = tasks;
  }
}
