/** A timer that never comes: while it is held, it keeps the process alive. */
const NEVER_MS = 2 ** 31 - 1;

/** Keeps the process alive for as long as anybody holds it; connections by themselves do not. */
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

  /** The last hold is over. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
