/** A place for a job; given back once, however often that is said. */
export interface Slot {
  readonly isHeld: boolean;
  /** Held, and not needed any more: whoever had it may take it for what comes next. */
  readonly isOffered: boolean;
  /** Gives it to others who wait; when there are none, offers it to whoever had it. */
  offer(): void;
  release(): void;
}

/** Places for jobs, given in the order they were asked for. */
export class Slots {
  #free: number;
  /** Each with who it is that waits. */
  readonly #waiting = new Map<(slot: Slot | undefined) => void, object>();

  constructor(size: number) {
    this.#free = size;
  }

  /** A place if there is one at this moment. */
  take(by: object = this): Slot | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#slot(by);
  }

  /** The next place that gets free; `undefined` when `signal` aborts before. */
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
