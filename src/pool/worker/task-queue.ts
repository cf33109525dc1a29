import { Ring } from "../ring.ts";
import { READ_BYTES } from "../../wire/transport.ts";
import { discardCarried, type Carried } from "../body.ts";

/** A task that has arrived and not begun. */
export interface QueuedTask {
  readonly id: number;
  /** Its {@link TaskFlag}s. */
  readonly kind: number;
  /** The body, from `start` to `end`; `undefined` for a value that arrived separately. */
  buffer: Buffer | undefined;
  start: number;
  end: number;
  readonly flags: number;
  readonly carried: Carried | undefined;
  /** The telemetry context of a value that arrived separately. */
  readonly json: string;
  /** The number of this task among all that arrived. */
  number: number;
  isDropped: boolean;
}

/** The tasks of a worker that have not begun, in the order of their arrival. */
export class TaskQueue {
  readonly #tasks = new Ring<QueuedTask>();
  #arrived = 0;
  /**
   * Tasks at the head whose bodies are already in separate memory, because `keep` has copied them.
   */
  #kept = 0;

  get isEmpty(): boolean {
    return this.#tasks.length === 0;
  }

  /** All tasks up to this number have begun or were dropped. */
  get taken(): number {
    const next = this.#tasks.peek();
    return next === undefined ? this.#arrived : next.number - 1;
  }

  push(task: QueuedTask): void {
    this.#arrived += 1;
    task.number = this.#arrived;
    this.#tasks.push(task);
  }

  /** The next task to begin. */
  shift(): QueuedTask | undefined {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      if (this.#kept > 0) this.#kept -= 1;
      if (!task.isDropped) {
        this.#skipDropped();
        return task;
      }
    }
    return undefined;
  }

  /** Dropped tasks count as taken as soon as all tasks before them are. */
  #skipDropped(): void {
    while (this.#tasks.peek()?.isDropped === true) {
      this.#tasks.shift();
      if (this.#kept > 0) this.#kept -= 1;
    }
  }

  /** Removes a task that is not to begin; returns false if it is not here. */
  drop(id: number): boolean {
    for (const task of this.#tasks)
      if (task.id === id && !task.isDropped) {
        this.#drop(task);
        this.#skipDropped();
        return true;
      }
    return false;
  }

  #drop(task: QueuedTask): void {
    task.isDropped = true;
    task.buffer = undefined;
    if (task.carried !== undefined) discardCarried(task.carried);
  }

  /** Removes all tasks that another worker can run instead; returns their ids. */
  dropAll(): number[] {
    const ids: number[] = [];
    for (const task of this.#tasks) {
      // Transferred memory exists only in this worker.
      if (task.isDropped || task.buffer === undefined) continue;
      this.#drop(task);
      ids.push(task.id);
    }
    this.#skipDropped();
    return ids;
  }

  /** The read buffer is about to be reused: copies the bodies that are in it. */
  keep(): void {
    let at = 0;
    for (const task of this.#tasks) {
      at += 1;
      if (at <= this.#kept || task.buffer === undefined) continue;
      // A larger body has separate memory: one read takes no more than this.
      if (task.end - task.start > READ_BYTES) continue;
      task.buffer = Buffer.from(task.buffer.subarray(task.start, task.end));
      task.end -= task.start;
      task.start = 0;
    }
    this.#kept = at;
  }
}
