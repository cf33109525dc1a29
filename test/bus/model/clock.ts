interface Timer {
  readonly act: () => void;
  readonly everyMs: number | undefined;
  dueMs: number;
}

/** Timers that fire when the test says so, and in the order of their time. They hold no event loop. */
export class VirtualClock {
  readonly #timers = new Map<object, Timer>();
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Replaces the timers of this process until `restore`. */
  install(): void {
    const add =
      (repeats: boolean) =>
      (act: () => void, ms = 0): object => {
        const handle = { ref: () => handle, unref: () => handle, hasRef: () => true };
        const everyMs = repeats ? Math.max(1, ms) : undefined;
        this.#timers.set(handle, { act, everyMs, dueMs: this.#nowMs + Math.max(1, ms) });
        return handle;
      };
    const remove = (handle: unknown): void => void this.#timers.delete(handle as object);
    Object.assign(globalThis, {
      setTimeout: add(false),
      setInterval: add(true),
      clearTimeout: remove,
      clearInterval: remove,
    });
  }

  restore(): void {
    Object.assign(globalThis, this.#real);
  }

  /** Removes all timers. */
  clear(): void {
    this.#timers.clear();
    this.#nowMs = 0;
  }

  /**
   * Advances to the time of the next timer and fires it.
   *
   * @returns whether there was a timer before `limitMs`
   */
  next(limitMs: number): boolean {
    let first: [object, Timer] | undefined;
    for (const entry of this.#timers)
      if (first === undefined || entry[1].dueMs < first[1].dueMs) first = entry;
    if (first === undefined || first[1].dueMs > limitMs) return false;
    const [handle, timer] = first;
    this.#nowMs = timer.dueMs;
    if (timer.everyMs === undefined) this.#timers.delete(handle);
    else timer.dueMs += timer.everyMs;
    timer.act();
    return true;
  }
}
