import type { JobTuple } from "./job-rows.ts";
import { type Taker, takeJob } from "./operations/take.ts";
import type { QueueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** The states of a place among the {@link offerPlaces}: the state of the job that is offered there. */
const PLACE = { free: 0, pending: 1, offered: 2, accepted: 3, withdrawn: 4 } as const;
const PLACES = 64;
/** How long the worker waits for the commit before it asks for a job in the usual way. */
const COMMIT_MS = 5_000;

/** A job that the store thread has taken for a waiting worker, before the worker requests the next job. */
export interface Offer {
  readonly place: number;
  readonly id: string;
  /** The token of its lock until the worker sets its own token. */
  readonly token: string;
  readonly job: JobTuple;
}

/** Memory shared by both threads in which an offer is accepted or withdrawn, whichever comes first. */
export function offerPlaces(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT));
}

/**
 * Accepts the offer. @returns whether the job is now the worker's. The worker is notified before the
 * transaction that took the job is committed, so this waits for the commit.
 */
export async function acceptOffer(places: Int32Array, { place }: Offer): Promise<boolean> {
  const commit = Atomics.waitAsync(places, place, PLACE.pending, COMMIT_MS);
  if (commit.async) await commit.value;
  const was = Atomics.compareExchange(places, place, PLACE.offered, PLACE.accepted);
  if (was === PLACE.withdrawn) Atomics.store(places, place, PLACE.free);
  return was === PLACE.offered;
}

/** An offer that was neither accepted nor withdrawn. */
export interface Standing {
  /** The number of the wait that the offer ends. */
  readonly wait: number;
  readonly offer: Offer;
  readonly queue: string;
  /** When it was sent; `Infinity` until then. */
  since: number;
}

/**
 * The store thread's side of offers. Without offers a waiting worker would be notified of a job, ask for it, and get it;
 * instead the job is taken for the worker in the transaction that added it, and sent along. A main thread that
 * is too busy to accept must not block a job for others: an offer that is not accepted in time is requeued.
 */
export class Offers {
  readonly #places: Int32Array;
  readonly #standing = new Map<number, Standing>();
  #count = 0;

  constructor(places: Int32Array) {
    this.#places = places;
  }

  /**
   * Takes the next job for a worker. Call it in a transaction that writes; {@link stands} confirms the offer
   * after the commit, {@link forget} drops it after a rollback.
   */
  take(store: Store, queue: QueueRecord, taker: Taker, wait: number): Offer | undefined {
    const place = this.#freePlace();
    if (place === -1) return undefined;
    this.#count += 1;
    const token = `offer-${store.owner}-${this.#count}`;
    const taken = takeJob(store, queue, { ...taker, token });
    if (taken === undefined || !("job" in taken)) return undefined;
    const offer = { place, id: String(taken.job[0]), token, job: taken.job };
    Atomics.store(this.#places, place, PLACE.pending);
    this.#standing.set(place, { wait, offer, queue: queue.name, since: Infinity });
    return offer;
  }

  #freePlace(): number {
    for (let place = 0; place < this.#places.length; place += 1) {
      const state = Atomics.load(this.#places, place);
      if (state === PLACE.accepted) this.#free(place);
      if (!this.#standing.has(place) && state !== PLACE.withdrawn) return place;
    }
    return -1;
  }

  #free(place: number): void {
    this.#standing.delete(place);
    Atomics.store(this.#places, place, PLACE.free);
  }

  /** The transaction is committed: the worker may accept. */
  stands({ place }: Offer): void {
    this.#settle(place, PLACE.offered);
  }

  /** The transaction was rolled back: the worker finds out when it tries to accept. */
  forget({ place }: Offer): void {
    this.#standing.delete(place);
    this.#settle(place, PLACE.withdrawn);
  }

  #settle(place: number, as: typeof PLACE.offered | typeof PLACE.withdrawn): void {
    Atomics.store(this.#places, place, as);
    Atomics.notify(this.#places, place);
  }

  /** The offer was sent: the time to accept it starts now. */
  sent({ place }: Offer): void {
    const standing = this.#standing.get(place);
    if (standing !== undefined) standing.since = performance.now();
  }

  /** Withdraws all offers. @returns them, to be requeued */
  withdrawAll(): Standing[] {
    return this.#withdraw(() => true);
  }

  /** Withdraws offers that were not accepted within a time. @returns them, to be requeued */
  withdrawLate(ms: number): Standing[] {
    const now = performance.now();
    return this.#withdraw(({ since }) => now - since >= ms);
  }

  /** Withdraws offers of waits that ended in another way. @returns them, to be requeued */
  withdrawFrom(waits: readonly number[]): Standing[] {
    return this.#withdraw(({ wait }) => waits.includes(wait));
  }

  #withdraw(which: (standing: Standing) => boolean): Standing[] {
    return [...this.#standing.values()].filter(which).filter(({ offer: { place } }) => {
      const was = Atomics.compareExchange(this.#places, place, PLACE.offered, PLACE.withdrawn);
      if (was === PLACE.offered) this.#standing.delete(place);
      else this.#free(place);
      return was === PLACE.offered;
    });
  }

  /** Withdraws offers that workers declined. @returns those that were still open, to be requeued */
  declined(places: readonly number[]): Standing[] {
    return places.flatMap((place) => {
      const standing = this.#standing.get(place);
      this.#free(place);
      return standing === undefined ? [] : [standing];
    });
  }
}
