import { Ring } from "./ring.ts";
import type { Task } from "./task.ts";

/** The tasks that one worker has, each at a place whose number its frames carry. */
export class TaskTable {
  readonly #tasks: (Task | undefined)[] = [];
  readonly #free: number[] = [];
  /** Places of tasks that the pool took back, until the worker has returned them. */
  readonly #takenBack = new Set<number>();
  /** Tasks that the worker has not reported as taken, in the order they were sent. */
  readonly #untold = new Ring<Task>();
  /** The number of the last task that was reported. */
  #told = 0;
  size = 0;

  /** Tasks that the pool took back, and that the worker has not returned. */
  get takenBack(): number {
    return this.#takenBack.size;
  }

  at(place: number): Task | undefined {
    return this.#tasks[place];
  }

  /** Gives a task a place. */
  add(task: Task): number {
    const place = this.#free.pop() ?? this.#tasks.length;
    this.#tasks[place] = task;
    this.size += 1;
    return place;
  }

  /** The task at the place has left: its body may be needed until the worker has reported it. */
  sent(place: number): void {
    const task = this.#tasks[place];
    if (task !== undefined) this.#untold.push(task);
  }

  remove(place: number): Task | undefined {
    const task = this.#tasks[place];
    if (task === undefined) {
      if (this.#takenBack.delete(place)) this.#free.push(place);
      return undefined;
    }
    this.#tasks[place] = undefined;
    this.#free.push(place);
    this.size -= 1;
    return task;
  }

  /** Removes a task that the worker does not begin; its place is free when the worker returns it. */
  takeBack(task: Task): void {
    this.#tasks[task.place] = undefined;
    this.#takenBack.add(task.place);
    this.size -= 1;
    // The next report of taken tasks counts it: its body is still needed.
    task.sentNumber = 0;
  }

  /** Calls `onTaken` for each task up to this number that the worker has taken. */
  told(upTo: number, onTaken: (task: Task) => void): void {
    for (; this.#told < upTo; this.#told += 1) {
      const task = this.#untold.shift();
      if (task?.sentNumber === this.#told + 1) onTaken(task);
    }
  }

  /** All tasks, in the order they were sent. */
  inOrder(): Task[] {
    return this.all().sort((a, b) => a.sentNumber - b.sentNumber);
  }

  all(): Task[] {
    return this.#tasks.filter((task) => task !== undefined);
  }

  clear(): void {
    this.#tasks.length = 0;
    this.#takenBack.clear();
    this.size = 0;
  }
}
