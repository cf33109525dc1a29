import type { Task } from "./task.ts";

/**
 * The deadlines of tasks. Those that were given the same time end in the order they came: one list
 * and one timer for each such time, and nothing to pay for a task that ends before.
 */
export class Deadlines {
  readonly #lists = new Map<number, DeadlineList>();
  readonly #onLate: (task: Task, limitMs: number) => void;

  constructor(onLate: (task: Task, limitMs: number) => void) {
    this.#onLate = onLate;
  }

  add(task: Task, limitMs: number): void {
    let list = this.#lists.get(limitMs);
    if (list === undefined) {
      list = new DeadlineList(limitMs, this.#onLate, () => void this.#lists.delete(limitMs));
      this.#lists.set(limitMs, list);
    }
    list.add(task);
  }
}

export class DeadlineList {
  readonly #limitMs: number;
  readonly #onLate: (task: Task, limitMs: number) => void;
  readonly #onEmpty: () => void;
  #first: Task | undefined;
  #last: Task | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, onLate: (task: Task, limitMs: number) => void, onEmpty: () => void) {
    this.#limitMs = limitMs;
    this.#onLate = onLate;
    this.#onEmpty = onEmpty;
  }

  add(task: Task): void {
    task.deadlineMs = task.enqueuedMs + this.#limitMs;
    task.deadlines = this;
    task.previous = this.#last;
    if (this.#last === undefined) this.#first = task;
    else this.#last.next = task;
    this.#last = task;
    if (this.#timer === undefined) this.#wait(this.#limitMs);
  }

  remove(task: Task): void {
    if (task.previous === undefined) this.#first = task.next;
    else task.previous.next = task.next;
    if (task.next === undefined) this.#last = task.previous;
    else task.next.previous = task.previous;
    task.previous = undefined;
    task.next = undefined;
    task.deadlines = undefined;
  }

  #wait(ms: number): void {
    // The pool itself keeps the program going while there are tasks.
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let task = this.#first; task !== undefined; task = this.#first) {
      if (task.deadlineMs > now) {
        this.#wait(Math.max(1, Math.ceil(task.deadlineMs - now)));
        return;
      }
      this.remove(task);
      this.#onLate(task, this.#limitMs);
    }
    this.#onEmpty();
  }
}
