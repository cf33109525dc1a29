import { monotonicMs } from "../base/globals.ts";
import { startTimer, type Timer } from "../base/timers.ts";
import type { Task } from "./task.ts";

/**
 * The deadlines of tasks. Tasks with the same time limit end in the order of their arrival: there
 * is one list and one timer per limit, and no cost for a task that ends before its deadline.
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
  #timer: Timer | undefined;

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
    // The pool itself keeps the program alive while there are tasks.
    this.#timer = startTimer(ms, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const now = monotonicMs();
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
