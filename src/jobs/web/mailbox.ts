/** A value that waits until it is taken. */
interface Waiting<Value> {
  readonly value: Value;
  readonly taken: () => void;
}

/**
 * Hands values from several senders to one reader. A sender waits until its value is taken, so a slow reader
 * holds up the senders and values do not accumulate.
 */
export class Mailbox<Value> {
  #waiting: Waiting<Value>[] = [];
  #isReleased = false;
  #end: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Resolves when the value is taken, or at once when senders are released. */
  put(value: Value): Promise<void> {
    return new Promise((taken) => {
      this.#waiting.push({ value, taken });
      if (this.#isReleased) taken();
      this.#wake?.();
    });
  }

  /** Ends the mailbox: no value follows the waiting ones. */
  end(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Ends the mailbox with an error: the reader gets it in place of the waiting values. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  /** Releases senders that would wait for a reader that may have left. Waiting values can still be taken. */
  release(): void {
    this.#isReleased = true;
    for (const { taken } of this.#waiting) taken();
  }

  /** Waits for the first value. @returns whether there is none and none will come */
  async isEmpty(): Promise<boolean> {
    while (this.#waiting.length === 0 && this.#end === undefined) await this.#change(undefined);
    this.#throwError();
    return this.#waiting.length === 0;
  }

  /**
   * Takes the next value; `"late"` when none came within the limit, `"end"` when none will come.
   *
   * @throws the error of {@link fail}
   */
  async take(limitMs: number): Promise<{ readonly value: Value } | "late" | "end"> {
    if (this.#waiting.length === 0 && this.#end === undefined) await this.#change(limitMs);
    this.#throwError();
    const next = this.#waiting.shift();
    if (next === undefined) return this.#end === undefined ? "late" : "end";
    next.taken();
    return next;
  }

  #change(limitMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = limitMs === undefined ? undefined : setTimeout(() => this.#wake?.(), limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #throwError(): void {
    if (this.#end !== undefined && "error" in this.#end) throw this.#end.error;
  }
}
