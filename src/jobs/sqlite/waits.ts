import { nextDue } from "./job-rows.ts";
import type { Offer, Offers } from "./offers.ts";
import { type EventEntry, readEvents } from "./operations/events.ts";
import { isReady, type Taker } from "./operations/take.ts";
import { isPausedOrMaxed, type QueueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** A pending wait of the main thread for a job or for events in a queue. */
export interface Wait {
  readonly number: number;
  readonly queue: string;
  /** The id of the last event seen, for a wait for events; `null` for a wait for a job. */
  readonly after: string | null;
  /** The worker that takes a job for this wait; `null` if the wait only announces that there is a job. */
  readonly taker: Taker | null;
}

/** The result of a wait: read now or at that time, the offered job, or the events. */
export type Wake =
  | { readonly number: number; readonly dueAt: number }
  | OfferWake
  | { readonly number: number; readonly queue: string; readonly events: EventEntry[] };

/** The offer of a job that ends a wait. */
export interface OfferWake {
  readonly number: number;
  readonly queue: string;
  readonly offer: Offer;
}

/** An offer whose job was taken for a waiting worker. */
export interface Offered {
  readonly wake: OfferWake;
  readonly taker: Taker;
}

/** The pending waits, in the order they began. */
export class Waits {
  readonly #store: Store;
  readonly #waits = new Map<number, Wait & { toldDueAt: number }>();

  constructor(store: Store) {
    this.#store = store;
  }

  get size(): number {
    return this.#waits.size;
  }

  add(wait: Wait): void {
    this.#waits.set(wait.number, { ...wait, toldDueAt: Infinity });
  }

  cancel(number: number): void {
    this.#waits.delete(number);
  }

  /** The wall clock was set: the times at which jobs are due have to be sent again. */
  forgetTold(): void {
    for (const wait of this.#waits.values()) wait.toldDueAt = Infinity;
  }

  /** The numbers of all pending waits. */
  all(): number[] {
    return [...this.#waits.keys()];
  }

  /** Whether there is a job for a worker that waits to take one at once. */
  someReady(): boolean {
    for (const wait of this.#waits.values())
      if (wait.taker !== null && this.#readyQueue(wait) !== undefined) return true;
    return false;
  }

  /** The queue of the wait, if a job may be taken there. */
  #readyQueue(wait: Wait): QueueRecord | undefined {
    const queue = this.#store.findQueue(wait.queue);
    return queue !== undefined && isReady(queue) && !isPausedOrMaxed(queue) ? queue : undefined;
  }

  /** Takes jobs for waiting workers and ends their waits. Call it in a transaction that writes. */
  offer(offers: Offers): Offered[] {
    const offered: Offered[] = [];
    for (const wait of this.#waits.values()) {
      const { number, taker } = wait;
      const queue = taker === null ? undefined : this.#readyQueue(wait);
      if (taker === null || queue === undefined) continue;
      const offer = offers.take(this.#store, queue, taker, number);
      if (offer !== undefined) offered.push({ wake: { number, queue: queue.name, offer }, taker });
    }
    for (const { wake } of offered) this.#waits.delete(wake.number);
    return offered;
  }

  /**
   * Finds the waits to notify. A job wakes one worker, not all: the worker that takes it wakes the next.
   *
   * @param concerns - the queues to check; all when left out
   */
  check(concerns: (queue: QueueRecord) => boolean = () => true): Wake[] {
    const wakes: Wake[] = [];
    const left = new Map<QueueRecord, number>();
    for (const wait of this.#waits.values()) {
      const queue = this.#store.findQueue(wait.queue);
      if (queue === undefined || !concerns(queue)) continue;
      if (wait.after === null) this.#checkJob(wait, queue, left, wakes);
      else this.#checkEvents(wait, wait.after, queue, wakes);
    }
    return wakes;
  }

  #checkJob(
    wait: Wait & { toldDueAt: number },
    queue: QueueRecord,
    left: Map<QueueRecord, number>,
    wakes: Wake[],
  ): void {
    const dueAt = nextDue(this.#store, queue);
    const ready =
      left.get(queue) ??
      (isReady(queue) && !isPausedOrMaxed(queue)
        ? (queue.counts[0] ?? 0) + (queue.counts[1] ?? 0)
        : 0);
    if (ready > 0 || dueAt <= Date.now()) {
      left.set(queue, ready - 1);
      this.#waits.delete(wait.number);
      wakes.push({ number: wait.number, dueAt: 0 });
    } else if (dueAt !== wait.toldDueAt) {
      wait.toldDueAt = dueAt;
      if (dueAt !== Infinity) wakes.push({ number: wait.number, dueAt });
    }
  }

  #checkEvents(wait: Wait, after: string, queue: QueueRecord, wakes: Wake[]): void {
    const events = readEvents(this.#store, queue, after);
    if (events.length === 0) return;
    this.#waits.delete(wait.number);
    wakes.push({ number: wait.number, queue: wait.queue, events });
  }
}
