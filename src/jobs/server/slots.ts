/** A place for a job; given back once, however often that is said. */
export interface Slot {
  readonly isHeld: boolean;
  release(): void;
}

/** Places for jobs, given in the order they were asked for. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<(slot: Slot) => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** A place if there is one at this moment. */
  take(): Slot | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#slot();
  }

  /** The next place that gets free; `undefined` when `signal` aborts before. */
  acquire(signal: AbortSignal): Promise<Slot | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const slot = this.take();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => {
      const give = (given: Slot | undefined): void => {
        signal.removeEventListener("abort", leave);
        resolve(given);
      };
      const leave = (): void => {
        this.#waiting.delete(give);
        give(undefined);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(give);
    });
  }

  #slot(): Slot {
    let isHeld = true;
    return {
      get isHeld() {
        return isHeld;
      },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        const [next] = this.#waiting;
        if (next === undefined) this.#free += 1;
        else {
          this.#waiting.delete(next);
          next(this.#slot());
        }
      },
    };
  }
}
