import { createHash, randomUUID } from "node:crypto";

import { type Queue, QueueEvents } from "bullmq";

import type { Queues } from "../store/queues.ts";

/** The queue that holds the group leases; no worker takes its jobs. */
const PLACES_QUEUE = "newel-groups";
/** A group lease expires when its server does not renew it for this time, in milliseconds. */
const LEASE_MS = 15_000;
/**
 * The interval at which expired leases of dead servers are removed, in milliseconds, and the number removed at once.
 */
const CLEAN_EVERY_MS = 60_000;
const CLEAN_MOST = 1_000;

/** A hash that stands for a group in ids, because the name of a group may contain any character. */
export function groupMark(name: string, group: string): string {
  return createHash("sha256").update(`${name}~${group}`).digest("base64url");
}

/** Callbacks of the group leases. */
export interface PlacesEvents {
  /** Another server released a lease of a group. */
  freed(mark: string): void;
  failed(error: unknown): void;
}

/** A group lease. */
export interface Place {
  /** The group's mark, and the number of the lease in the group. */
  readonly mark: string;
  readonly key: string;
  /** The id of the job that represents the lease. */
  id: string;
}

/**
 * The group leases of all servers of a store. A lease is one of BullMQ's deduplication keys: of
 * several servers that add a job with the same key only one gets a job, and the key expires when it is not renewed.
 */
export class Places {
  readonly #queues: Queues;
  readonly #events: PlacesEvents;
  readonly #held = new Map<string, Place>();
  /** The jobs of leases that this server has released. */
  readonly #released = new Set<string>();
  #reader: QueueEvents | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(queues: Queues, events: PlacesEvents) {
    this.#queues = queues;
    this.#events = events;
  }

  /** Renews the held leases, and reads the releases of other servers. */
  async start(): Promise<void> {
    const { blocking, factory } = this.#queues.backend;
    const options = { connection: blocking } as never;
    const reader = new QueueEvents(PLACES_QUEUE, options, factory as never);
    this.#reader = reader;
    reader.on("error", (error) => this.#events.failed(error));
    reader.on("removed", ({ jobId }) => {
      if (!this.#released.delete(jobId)) this.#events.freed(markOf(jobId));
    });
    await reader.waitUntilReady();
    await this.#clean();
    this.#timers = [
      setInterval(() => void this.#try(() => this.#renew()), LEASE_MS / 3),
      setInterval(() => void this.#try(() => this.#clean()), CLEAN_EVERY_MS),
    ];
  }

  async #try(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#events.failed(error);
    }
  }

  get #queue(): Queue {
    return this.#queues.writer(PLACES_QUEUE);
  }

  /** Acquires one of the first `limit` leases of a group; `undefined` when all are held. */
  async take(mark: string, limit: number): Promise<Place | undefined> {
    const id = newId(mark);
    for (let number = 0; number < limit; number += 1) {
      const key = `${mark}.${number}`;
      if (this.#held.has(key) || (await this.#add(key, id, false)) !== id) continue;
      const place = { mark, key, id };
      this.#held.set(key, place);
      return place;
    }
    return undefined;
  }

  /** @returns the id of the job that has the key: this server's job, or another's */
  async #add(key: string, id: string, extend: boolean): Promise<string | undefined> {
    const deduplication = { id: key, ttl: LEASE_MS, extend };
    return (await this.#queue.add("place", {}, { jobId: id, deduplication })).id;
  }

  async release({ key, id }: Place): Promise<void> {
    this.#held.delete(key);
    if (this.#reader !== undefined) this.#released.add(id);
    await this.#queue.remove(id);
  }

  async #renew(): Promise<void> {
    for (const place of this.#held.values()) {
      const id = newId(place.mark);
      if ((await this.#add(place.key, id, true)) === place.id) continue;
      // The lease had expired: a release now removes the new job, or none if another server was quicker.
      const old = place.id;
      place.id = id;
      await this.#queue.remove(old);
    }
  }

  /** Removes the jobs of leases that expired without a release. */
  async #clean(): Promise<void> {
    const queue = this.#queue;
    const before = Date.now() - LEASE_MS;
    for (const job of await queue.getJobs(["waiting"], 0, CLEAN_MOST, true)) {
      const { id, deduplicationId, timestamp } = job;
      if (id === undefined || timestamp > before) continue;
      const holder =
        deduplicationId === undefined ? null : await queue.getDeduplicationJobId(deduplicationId);
      if (holder !== id) await queue.remove(id);
    }
  }

  /** Releases all leases. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const place of this.#held.values()) await this.release(place);
    await this.#reader?.close();
  }
}

function newId(mark: string): string {
  return `${mark}.${randomUUID()}`;
}

function markOf(id: string): string {
  return id.slice(0, id.indexOf("."));
}
