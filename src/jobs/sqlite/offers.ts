import type { JobTuple } from "./job-rows.ts";
import { type Taker, takeJob } from "./operations/take.ts";
import type { QueueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** What a place among the {@link offerPlaces} says of the job that is offered there. */
const PLACE = { free: 0, offered: 1, accepted: 2, withdrawn: 3 } as const;
const PLACES = 64;

/** A job that the store thread took for a worker that waits, before it was asked. */
export interface Offer {
  readonly place: number;
  readonly id: string;
  /** What it is locked with until the worker says its own token. */
  readonly token: string;
  readonly job: JobTuple;
}

/** Memory of both threads in which an offer is accepted or withdrawn, whichever comes first. */
export function offerPlaces(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT));
}

/** Whether the offer still holds; then the job is the worker's. */
export function acceptOffer(places: Int32Array, { place }: Offer): boolean {
  const was = Atomics.compareExchange(places, place, PLACE.offered, PLACE.accepted);
  if (was === PLACE.offered) return true;
  Atomics.store(places, place, PLACE.free);
  return false;
}

/** An offer that was neither accepted nor withdrawn. */
export interface Standing {
  /** The wait that it answers. */
  readonly wait: number;
  readonly offer: Offer;
  readonly queue: string;
  readonly since: number;
}

/**
 * The store thread's side of offers. A worker that waits would be told of a job, ask for it, and get it:
 * instead it is taken for the worker in the transaction that added it, and sent along. A main thread that
 * is too busy to accept keeps no job from others: what was not accepted for a while is put back.
 */
export class Offers {
  readonly #places: Int32Array;
  readonly #standing = new Map<number, Standing>();
  #count = 0;

  constructor(places: Int32Array) {
    this.#places = places;
  }

  /** Takes the next job for a worker. In a transaction that writes; it stands once {@link stands} is called. */
  take(store: Store, queue: QueueRecord, taker: Taker, wait: number): Offer | undefined {
    const place = this.#freePlace();
    if (place === -1) return undefined;
    this.#count += 1;
    const token = `offer-${store.owner}-${this.#count}`;
    const taken = takeJob(store, queue, { ...taker, token });
    if (taken === undefined || !("job" in taken)) return undefined;
    const offer = { place, id: String(taken.job[0]), token, job: taken.job };
    this.#standing.set(place, { wait, offer, queue: queue.name, since: performance.now() });
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
    Atomics.store(this.#places, place, PLACE.offered);
  }

  /** The transaction was rolled back. */
  forget({ place }: Offer): void {
    this.#free(place);
  }

  /** Withdraws those that were not accepted for so long. @returns them, to be put back */
  withdrawLate(ms: number): Standing[] {
    const now = performance.now();
    return this.#withdraw(({ since }) => now - since >= ms);
  }

  /** Withdraws those that answer waits which ended otherwise. @returns them, to be put back */
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

  /** The workers do not want them. @returns those that still stood, to be put back */
  declined(places: readonly number[]): Standing[] {
    return places.flatMap((place) => {
      const standing = this.#standing.get(place);
      this.#free(place);
      return standing === undefined ? [] : [standing];
    });
  }
}
