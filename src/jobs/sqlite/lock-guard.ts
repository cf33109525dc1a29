import { runAlone } from "./group.ts";
import { HeldLocks } from "./held-locks.ts";
import { extendLock } from "./operations/locks.ts";
import type { Store } from "./store.ts";

/** The interval of the check of locks, and the share of a lock's time after which its renewal is late. */
const LOCKS_MS = 50;
const LATE = 0.5;
const TOO_LATE = 0.65;

/** The callbacks of the guard into the store thread. */
export interface LockGuardEvents {
  /** Runs a function on the open file, if there is one. */
  withStore(run: (store: Store) => void): void;
  /** Sends a number to the main thread, which answers with it. */
  ping(number: number): void;
  /** Called at each check while the guard runs. */
  checked(): void;
}

/**
 * Renews the locks of this process for a main thread that is too busy to do it: a thread that does not answer a ping
 * while a renewal is late. Its timer runs while there are locks, or one more time after an offer.
 */
export class LockGuard {
  readonly held: HeldLocks = new HeldLocks();
  readonly #events: LockGuardEvents;
  #timer: NodeJS.Timeout | undefined;
  #ping = 0;
  #answered = 0;

  constructor(events: LockGuardEvents) {
    this.#events = events;
  }

  /** Starts the timer. */
  begin(): void {
    this.#timer ??= setInterval(() => {
      this.#check();
      this.#events.checked();
      if (this.held.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, LOCKS_MS);
  }

  /** The main thread has answered a ping. */
  answered(number: number): void {
    this.#answered = number;
  }

  #check(): void {
    const { held } = this;
    if (held.size === 0) return;
    this.#events.withStore((store) => {
      held.dropEnded();
      if (held.late(LATE).length === 0) return;
      const isBusy = this.#answered < this.#ping;
      if (isBusy) this.#renew(store);
      else this.#events.ping((this.#ping += 1));
    });
  }

  #renew(store: Store): void {
    const late = this.held.late(TOO_LATE);
    if (late.length === 0) return;
    runAlone(store, () => {
      for (const { queue, id, token, duration } of late)
        extendLock(store, store.queue(queue), id, token, duration);
    });
    for (const { queue, id } of late) this.held.renewed(queue, id, performance.now());
  }
}
