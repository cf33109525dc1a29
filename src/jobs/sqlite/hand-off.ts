import type { HeldLocks } from "./held-locks.ts";
import { runAlone, runIf } from "./group.ts";
import type { Standing } from "./offers.ts";
import type { OpenFile } from "./open-file.ts";
import { putBack } from "./operations/offer.ts";
import type { Outbox } from "./outbox.ts";
import type { Offered, Wait, Wake } from "./waits.ts";

/** The locks of this process, as a hand-off needs them. */
export interface HandOffLocks {
  readonly held: HeldLocks;
  begin(): void;
}

/** The direct hand-off of jobs to waiting workers of this process, and the wakes of its other waits. */
export class HandOff {
  readonly #outbox: Outbox;
  readonly #locks: HandOffLocks;
  /** Whether an offer was not accepted in time and the main thread has sent no message since. */
  mainIsBusy = false;

  constructor(outbox: Outbox, locks: HandOffLocks) {
    this.#outbox = outbox;
    this.#locks = locks;
  }

  /** Wakes waiting callers: a wake that hands over a job or events is a delivery of its queue. */
  wake(wakes: readonly Wake[]): void {
    const plain = wakes.filter((wake) => !("queue" in wake));
    if (plain.length > 0) this.#outbox.send({ wakes: plain });
    for (const wake of wakes)
      if ("queue" in wake) this.#outbox.deliver(wake.queue, { wakes: [wake] });
  }

  /**
   * Runs a transaction that can end with offers. Workers are notified before the commit, because waking their thread
   * takes
   * as long as committing. The commit confirms the offers.
   */
  offering<T>({ waits, offers }: OpenFile, run: (offer: () => void) => T): T {
    const offered: Offered[] = [];
    const forget = (): void => {
      for (const { wake } of offered.splice(0)) offers.forget(wake.offer);
    };
    try {
      const result = run(() => {
        // The function may run again, when one of the calls failed.
        forget();
        if (this.mainIsBusy) return;
        offered.push(...waits.offer(offers));
        this.wake(offered.map(({ wake }) => wake));
      });
      for (const { wake, taker } of offered) {
        offers.stands(wake.offer);
        const { id, token } = wake.offer;
        this.#locks.held.offered(wake.queue, id, { ...taker, token });
        this.#locks.begin();
      }
      return result;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Finds the waits of queues that changed here or in another process, and the new waits. */
  look(opened: OpenFile, fresh: readonly Wait[], all = false): Wake[] {
    const { store, waits } = opened;
    if (waits.size === 0) {
      for (const queue of store.queues()) queue.touched = false;
      return [];
    }
    const ready = (): boolean => !this.mainIsBusy && waits.someReady();
    const check = (): Wake[] => {
      const changed = store.takeNews() || all;
      const wakes = waits.check(
        (queue) => changed || queue.touched || fresh.some((wait) => wait.queue === queue.name),
      );
      for (const queue of store.queues()) queue.touched = false;
      return wakes;
    };
    return this.offering(opened, (offer) => runIf(store, ready, offer, check));
  }

  putBack({ store }: OpenFile, standing: readonly Standing[]): void {
    if (standing.length === 0) return;
    runAlone(store, () => {
      // Each job goes to the front, so the first one is requeued last.
      for (const { queue, offer } of standing.toReversed())
        putBack(store, store.queue(queue), offer.id, offer.token);
    });
    for (const { queue, offer } of standing) this.#locks.held.ended(queue, offer.id);
  }
}
