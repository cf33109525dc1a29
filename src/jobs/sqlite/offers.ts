import type { JobTuple } from "./job-rows.ts";
import { type Taker, takeJob } from "./operations/take.ts";
import type { QueueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** What a place among the {@link offerPlaces} says of the job that is offered there. */
const PLACE = { free: 0, pending: 1, offered: 2, accepted: 3, withdrawn: 4 } as const;
const PLACES = 64;
/** How long a commit is waited for before the job is asked for as any other. */
const COMMIT_MS = 5_000;

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

/**
 * Whether the offer still holds; then the job is the worker's. It was told of the job before the
 * transaction that took it was committed: that is waited for.
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

  /**
   * Takes the next job for a worker. In a transaction that writes: whether it stands is told by
   * {@link stands} or {@link forget}.
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
    this.#settle(place, PLACE.offered);
  }

  /** The transaction was rolled back: the worker learns it when it accepts. */
  forget({ place }: Offer): void {
    this.#standing.delete(place);
    this.#settle(place, PLACE.withdrawn);
  }

  #settle(place: number, as: typeof PLACE.offered | typeof PLACE.withdrawn): void {
    Atomics.store(this.#places, place, as);
    Atomics.notify(this.#places, place);
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
