import { AsyncLocalStorage } from "node:async_hooks";

/** A Worker, a child process or anything else that emits `exit` once when it ends. */
interface Ending {
  once(event: "exit", listener: () => void): unknown;
}

/** Work that must end before the process may end. */
export type Task = PromiseLike<unknown> | Ending | (() => PromiseLike<unknown>);

interface Running {
  readonly name: string;
  /** Emits its own end, so it ends even if nothing else in this process happens. */
  readonly emits: boolean;
  /** The number of `block()` calls that the task itself waits for. */
  blocks: number;
}

/** The unfinished tasks of a bus: the counterpart of non-daemon threads. */
export class Tasks {
  readonly #running = new Map<Promise<void>, Running>();
  readonly #current = new AsyncLocalStorage<Running>();
  readonly #waiting = new Set<() => void>();

  /** Counts a task until it ends, with any outcome. A function is called immediately. */
  add(name: string, task: Task): void {
    const emits = typeof task !== "function" && !("then" in task);
    const running: Running = { name, emits, blocks: 0 };
    const ended = this.#current
      .run(running, () => ending(task))
      .then(() => {
        this.#running.delete(ended);
        this.#wake();
      });
    this.#running.set(ended, running);
  }

  /** The names of the tasks that have not ended, in the order in which they were added. */
  names(): string[] {
    return [...this.#running.values()].map(({ name }) => name);
  }

  /**
   * Whether a task is an emitter of `exit`, not a promise: its end does not depend on the event
   * loop.
   */
  get anyEmits(): boolean {
    return [...this.#running.values()].some(({ emits }) => emits);
  }

  /** Whether the caller is a task that was given as a function. */
  get areAround(): boolean {
    return this.#current.getStore() !== undefined;
  }

  /** Stops counting the tasks that have not ended. */
  drop(): void {
    this.#running.clear();
    this.#wake();
  }

  /** Resolves when all have ended, including those added in the meantime. */
  ended(): Promise<void> {
    return this.#current.exit(() => this.#noneLeft(() => true));
  }

  /**
   * Like `ended()`, for a task itself: tasks that wait here too are not waited for, because none
   * could end.
   */
  async othersEnded(): Promise<void> {
    const own = this.#current.getStore();
    if (own !== undefined) own.blocks += 1;
    this.#wake();
    await this.#noneLeft(({ blocks }) => blocks === 0);
    if (own !== undefined) own.blocks -= 1;
  }

  async #noneLeft(counts: (task: Running) => boolean): Promise<void> {
    while ([...this.#running.values()].some(counts))
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

async function ending(task: Task): Promise<void> {
  if (typeof task !== "function" && !("then" in task)) {
    await new Promise<void>((resolve) => task.once("exit", resolve));
    return;
  }
  try {
    await (typeof task === "function" ? task() : task);
  } catch {
    // Its owner handles the error: only the end counts here.
  }
}
