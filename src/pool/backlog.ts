import { Ring } from "./ring.ts";
import { earlier, type Task } from "./task.ts";

/** Tasks that are gone are dropped when they come up, or when there are as many of them as others. */
const MIN_DROPPED = 64;

/** Tasks in the order in which they start: by priority, then by age. */
class Lanes {
  #lanes: { readonly priority: number; readonly tasks: Ring<Task> }[] = [];
  size = 0;

  push(task: Task): void {
    this.#lane(task.priority).push(task);
    this.size += 1;
  }

  /** Puts a task back that was taken: it is older than those that wait. */
  unshift(task: Task): void {
    this.#lane(task.priority).unshift(task);
    this.size += 1;
  }

  peek(): Task | undefined {
    for (const { tasks } of this.#lanes) {
      for (let task = tasks.peek(); task !== undefined; task = tasks.peek()) {
        if (!isGone(task)) return task;
        tasks.shift();
      }
    }
    return undefined;
  }

  /** Takes the task that `peek` gave. */
  take(task: Task): void {
    this.#lane(task.priority).shift();
    this.size -= 1;
  }

  /** One of the tasks is gone. */
  forget(task: Task): void {
    this.size -= 1;
    const lane = this.#lane(task.priority);
    if (lane.length > MIN_DROPPED && lane.length > 2 * this.size)
      for (const { tasks } of this.#lanes) tasks.filter((each) => !isGone(each));
  }

  *[Symbol.iterator](): Generator<Task> {
    for (const { tasks } of this.#lanes) for (const task of tasks) if (!isGone(task)) yield task;
  }

  #lane(priority: number): Ring<Task> {
    const [first] = this.#lanes;
    if (first?.priority === priority) return first.tasks;
    const found = this.#lanes.find((lane) => lane.priority === priority);
    if (found !== undefined) return found.tasks;
    const tasks = new Ring<Task>();
    this.#lanes.push({ priority, tasks });
    this.#lanes.sort((a, b) => b.priority - a.priority);
    return tasks;
  }
}

/** It was settled, or taken out, where it waited. */
function isGone(task: Task): boolean {
  return task.isSettled || task.waitsIn === undefined;
}

/** What waits for a worker: those whose result needs room on the other side are kept apart. */
export class Backlog {
  readonly #runs = new Lanes();
  readonly #puts = new Lanes();

  get size(): number {
    return this.#runs.size + this.#puts.size;
  }

  push(task: Task): void {
    task.waitsIn = this;
    this.#of(task).push(task);
  }

  unshift(task: Task): void {
    task.waitsIn = this;
    this.#of(task).unshift(task);
  }

  /** The task to start next. */
  peek(withPuts: boolean): Task | undefined {
    const run = this.#runs.size === 0 ? undefined : this.#runs.peek();
    const put = this.#puts.size === 0 || !withPuts ? undefined : this.#puts.peek();
    return earlier(run, put);
  }

  take(task: Task): void {
    task.waitsIn = undefined;
    this.#of(task).take(task);
  }

  forget(task: Task): void {
    task.waitsIn = undefined;
    this.#of(task).forget(task);
  }

  *[Symbol.iterator](): Generator<Task> {
    yield* this.#runs;
    yield* this.#puts;
  }

  #of(task: Task): Lanes {
    return task.isPut ? this.#puts : this.#runs;
  }
}
