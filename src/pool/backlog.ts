import { Ring } from "./ring.ts";
import { earlier, type Task } from "./task.ts";

/** Settled tasks are dropped when they reach the head, or when they outnumber the others. */
const MIN_DROPPED = 64;

/** Tasks in the order in which they start: by priority, then by age. */
class Lanes {
  #lanes: { readonly priority: number; readonly tasks: Ring<Task> }[] = [];
  size = 0;

  push(task: Task): void {
    this.#lane(task.priority).push(task);
    this.size += 1;
  }

  /** Returns a taken task to the queue: it is older than the waiting tasks. */
  unshift(task: Task): void {
    this.#lane(task.priority).unshift(task);
    this.size += 1;
  }

  /** The task to start next: the first of a lane, because each lane is in the order of age. */
  peek(): Task | undefined {
    let best: Task | undefined;
    for (const { tasks } of this.#lanes) {
      let task = tasks.peek();
      while (task !== undefined && isGone(task)) {
        tasks.shift();
        task = tasks.peek();
      }
      best = earlier(best, task);
    }
    return best;
  }

  /** Removes the task that `peek` returned. */
  take(task: Task): void {
    this.#lane(task.priority).shift();
    this.size -= 1;
  }

  /** One of the tasks was settled or removed. */
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

/** Whether the task was settled or removed while it waited. */
function isGone(task: Task): boolean {
  return task.isSettled || task.waitsIn === undefined;
}

/** Tasks that wait for a worker; tasks whose result needs room on the other side are kept apart. */
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
