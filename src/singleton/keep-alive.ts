/** The interval of a timer with no effect: while it is set, it keeps the process alive. */
const NEVER_MS = 2 ** 31 - 1;

/** Keeps the process alive while there is at least one hold; connections alone do not. */
export class KeepAlive {
  #timer: NodeJS.Timeout | undefined;
  #holders = 0;

  hold(): void {
    this.#holders += 1;
    if (this.#holders > 1) return;
    if (this.#timer === undefined) this.#timer = setInterval(() => undefined, NEVER_MS);
    else this.#timer.ref();
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#timer?.unref();
  }

  /** The last hold is released. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
