/**
 * The work that must have ended before the process may: what a non-daemon thread is elsewhere. A
 * task is a promise, or anything that tells its end once, as a Worker or a child process does.
 */
export interface Ending {
  once(event: "exit", listener: () => void): unknown;
}

/** The unfinished tasks of a bus, by name. */
export class Tasks {
  readonly #running = new Map<Promise<void>, string>();

  /** Counts a task until it ends, however it ends. */
  add(name: string, task: PromiseLike<unknown> | Ending): void {
    const ended = ending(task).then(() => {
      this.#running.delete(ended);
    });
    this.#running.set(ended, name);
  }

  /** The names of those that have not ended, in the order they came. */
  names(): string[] {
    return [...this.#running.values()];
  }

  /** Resolves when all have ended, those included that came meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys());
  }
}

function ending(task: PromiseLike<unknown> | Ending): Promise<void> {
  if ("then" in task) {
    // How it ended is the business of whoever made it: here only the end counts.
    const over = (): void => undefined;
    return Promise.resolve(task).then(over, over);
  }
  return new Promise((resolve) => task.once("exit", () => resolve()));
}
