/** Callers that wait for a condition on a state; the owner of the state calls {@link wake}. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves once `test` holds or the signal is aborted; checked with each {@link wake}. */
  async until(test: () => boolean, signal: AbortSignal): Promise<void> {
    const end = Promise.withResolvers<void>();
    const stop = (): void => end.resolve();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!test() && !signal.aborted)
        await Promise.race([new Promise<void>((wake) => this.#waiting.add(wake)), end.promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
