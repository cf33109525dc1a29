/** Work that is asked for many times: one pass at a time, and one more after the last request. */
export class Repeated {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves after a pass that began after the call. */
  ask(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#work().finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.ask();
    });
    return this.#next;
  }
}
