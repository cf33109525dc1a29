/**
 * Publishes `main` repeatedly: each time after a pause since the listeners of the last round ended.
 * It sleeps without a timer while `main` is not wanted.
 */
export class MainLoop {
  readonly #publish: () => Promise<void>;
  readonly #wanted: () => boolean;
  #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #stopped = false;

  /**
   * @param publish - one round; never rejects
   * @param wanted - whether the bus is started and `main` has listeners
   */
  constructor(publish: () => Promise<void>, wanted: () => boolean) {
    this.#publish = publish;
    this.#wanted = wanted;
    this.#intervalMs = Infinity;
  }

  /** Makes the pause between two rounds no longer than this many milliseconds, and begins. */
  begin(intervalMs: number): void {
    this.#intervalMs = Math.min(this.#intervalMs, intervalMs);
    this.wake();
  }

  /** Begins, or continues once `main` is wanted again: the first round follows immediately. */
  wake(): void {
    if (this.#intervalMs === Infinity || this.#busy || this.#timer !== undefined) return;
    if (this.#stopped || !this.#wanted()) return;
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    this.#timer = undefined;
    if (!this.#wanted()) return;
    this.#busy = true;
    await this.#publish();
    this.#busy = false;
    if (this.#stopped || !this.#wanted()) return;
    this.#timer = setTimeout(() => void this.#round(), this.#intervalMs);
  }
}
