/**
 * Publishes `main` again and again: the next time a pause after the listeners of the last have
 * ended. It sleeps without a timer while nobody listens.
 */
export class MainLoop {
  readonly #publish: () => Promise<void>;
  readonly #wanted: () => boolean;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #stopped = false;

  /**
   * @param publish - one round; never rejects
   * @param wanted - whether anybody listens
   * @param intervalMs - the pause, in milliseconds
   */
  constructor(publish: () => Promise<void>, wanted: () => boolean, intervalMs: number) {
    this.#publish = publish;
    this.#wanted = wanted;
    this.#intervalMs = intervalMs;
  }

  /** Begins, or goes on after a listener came: the first round follows at once. */
  wake(): void {
    if (this.#busy || this.#timer !== undefined || this.#stopped || !this.#wanted()) return;
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    this.#busy = true;
    this.#timer = undefined;
    await this.#publish();
    this.#busy = false;
    if (this.#stopped || !this.#wanted()) return;
    this.#timer = setTimeout(() => void this.#round(), this.#intervalMs);
  }
}
