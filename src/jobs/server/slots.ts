/** A permit for a job. `release()` is idempotent. */
export interface Slot {
  readonly isHeld: boolean;
  /** Held but not needed any more: its holder may use it for its next job. */
  readonly isOffered: boolean;
  /** Passes the permit to another waiting holder; without one, its former holder may use it again. */
  offer(): void;
  release(): void;
}

/** A semaphore of permits for jobs, granted in the order of the requests. */
export class Slots {
  #free: number;
  /** The waiting requests, each with its requester. */
  readonly #waiting = new Map<(slot: Slot | undefined) => void, object>();

  constructor(size: number) {
    this.#free = size;
  }

  /** A permit if one is free at this moment. */
  take(by: object = this): Slot | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#slot(by);
  }

  /** The next free permit; `undefined` when `signal` aborts first. */
  acquire(signal: AbortSignal, by: object = this): Promise<Slot | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    const slot = this.take(by);
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
      this.#waiting.set(give, by);
    });
  }

  #slot(by: object): Slot {
    let isHeld = true;
    let isOffered = false;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      const [next] = this.#waiting;
      if (next === undefined) {
        this.#free += 1;
        return;
      }
      const [give, other] = next;
      this.#waiting.delete(give);
      give(this.#slot(other));
    };
    return {
      get isHeld() {
        return isHeld;
      },
      get isOffered() {
        return isHeld && isOffered;
      },
      offer: () => {
        isOffered = true;
        if (this.#waiting.values().some((other) => other !== by)) release();
      },
      release,
    };
  }
}
