/** Does one piece of work after the other, for all of its callers. */
export class Worker {
  readonly #tasks: { readonly ms: number; readonly message: string }[] = [];
  #isWorking = false;
  #done = 0;

  /** Takes a task and answers at once, with how many wait now. */
  putTask(ms: number, message: string): number {
    const waiting = this.#tasks.push({ ms, message });
    if (!this.#isWorking) void this.#work();
    return waiting;
  }

  getPid(): number {
    return process.pid;
  }

  getDone(): number {
    return this.#done;
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      await new Promise((resolve) => setTimeout(resolve, task?.ms));
      this.#done += 1;
      console.log(task.message);
    }
    this.#isWorking = false;
  }
}
