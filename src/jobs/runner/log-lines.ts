/** How many lines and characters may be pending before `ctx.log` waits for the store. */
const LIMITS = { lines: 1_000, characters: 1_000_000 };

/**
 * The pending log lines of one attempt. A line is sent at once; the handler
 * waits only while too many are pending.
 */
export class LogLines {
  readonly #store: (line: string) => Promise<unknown>;
  #lines = 0;
  #characters = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];

  constructor(store: (line: string) => Promise<unknown>) {
    this.#store = store;
  }

  /** @throws the error of an earlier line, once */
  async write(line: string): Promise<void> {
    this.#throwFailure();
    this.#lines += 1;
    this.#characters += line.length;
    void this.#store(line)
      .catch((error: unknown) => (this.#failure ??= { error }))
      .finally(() => this.#stored(line));
    while (this.#lines >= LIMITS.lines || this.#characters >= LIMITS.characters)
      await this.#change();
  }

  /**
   * Resolves when all lines are stored.
   *
   * @throws the error of a line that no call has thrown
   */
  async flush(): Promise<void> {
    while (this.#lines > 0) await this.#change();
    this.#throwFailure();
  }

  #stored(line: string): void {
    this.#lines -= 1;
    this.#characters -= line.length;
    for (const wake of this.#wake.splice(0)) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}
