import type { BusState } from "./states.ts";

interface Waiter {
  readonly states: readonly BusState[];
  readonly resolve: (state: BusState) => void;
  readonly reject: (reason: unknown) => void;
}

/** The pending calls of `wait()`. A transition settles them; nothing polls. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** Resolves with the first of these states to be entered; rejects with the signal's reason. */
  add(states: readonly BusState[], signal?: AbortSignal): Promise<BusState> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const remove = (): void => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener("abort", giveUp);
      };
      const waiter: Waiter = {
        states,
        resolve: (state) => {
          remove();
          resolve(state);
        },
        reject: (reason) => {
          remove();
          reject(reason);
        },
      };
      const giveUp = (): void => waiter.reject(signal?.reason);
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", giveUp);
    });
  }

  /** Settles the waits for this state. */
  entered(state: BusState): void {
    for (const waiter of this.#waiting) if (waiter.states.includes(state)) waiter.resolve(state);
  }

  /** Rejects the waits whose states are all unreachable. */
  giveUp(
    canEnter: (state: BusState) => boolean,
    reason: (states: readonly BusState[]) => unknown,
  ): void {
    for (const waiter of this.#waiting)
      if (!waiter.states.some(canEnter)) waiter.reject(reason(waiter.states));
  }
}
