import type { BusState } from "./states.ts";

interface Waiter {
  readonly states: readonly BusState[];
  readonly resolve: (state: BusState) => void;
}

/** Who waits for which state. A transition wakes them itself: nobody polls. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves with the first of these states to be entered; rejects with the signal's reason. */
  add(states: readonly BusState[], signal?: AbortSignal): Promise<BusState> {
    return new Promise((resolve, reject) => {
      const forget = (): void => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener("abort", giveUp);
      };
      const giveUp = (): void => {
        forget();
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        states,
        resolve: (state) => {
          forget();
          resolve(state);
        },
      };
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", giveUp);
    });
  }

  /** Wakes those that wait for this state. */
  entered(state: BusState): void {
    for (const waiter of this.#waiting) if (waiter.states.includes(state)) waiter.resolve(state);
  }
}
