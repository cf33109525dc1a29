/**
 * One write at a time of a shared state: calls in one turn, and calls during a write, share
 * the next write. A verb for 500 services so costs a few writes of the whole state, not 500.
 */
export class SharedWrite {
  readonly #write: () => Promise<void>;
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  /** @param write - writes the state of the moment at which it is called */
  constructor(write: () => Promise<void>) {
    this.#write = write;
  }

  /** Resolves once the state of this moment, or a later one, is written; rejects as its write does. */
  run(): Promise<void> {
    this.#next ??= this.#afterCurrent();
    return this.#next;
  }

  async #afterCurrent(): Promise<void> {
    // Its callers get the failure.
    await Promise.allSettled([this.#current]);
    this.#next = undefined;
    this.#current = this.#write();
    await this.#current;
  }
}
