import type { Job } from "bullmq";

import type { Queues } from "../store/queues.ts";
import { groupMark, type Place, type Places } from "./places.ts";

/**
 * The delay of a run that waits for its group, in milliseconds: it is promoted as soon as there is
 * room, unless the server that would promote it was killed.
 */
const PARK_MS = 30_000;
/** How many runs of a group are promoted when the server stops, for the next server to take. */
const CALLED_AT_STOP = 100;
/**
 * The interval at which a group with waiting runs is checked, in milliseconds, because a server with its leases may
 * have died.
 */
const LOOK_EVERY_MS = 2_000;

/** A lease of a group, to be released. */
export interface GroupPlace {
  release(): void;
}

interface Group {
  /** The number of runs of the group on this server. */
  running: number;
  /** The queues of runs that are delayed until there is room, by their ids, the oldest first. */
  readonly parked: Map<string, string>;
  /** The number of leases that were released so far, on any server. */
  frees: number;
  look: NodeJS.Timeout | undefined;
}

/** The number of releases at which the group was found full. */
export interface FullGroup {
  readonly frees: number;
}

/**
 * Limits how many runs of one group run at once, on all servers together. A taken run without a group lease
 * is delayed, without using up an attempt, and promoted when a lease is released: the runs behind
 * it in the queue do not wait for it.
 */
export class Groups {
  readonly #queues: Queues;
  readonly #places: Pick<Places, "take" | "release">;
  readonly #groups = new Map<string, Group>();
  readonly #failed: (error: unknown) => void;
  #isClosed = false;
  #releasing: Promise<unknown> = Promise.resolve();

  /** @param failed - called with the error when a run cannot be promoted; the run becomes due later anyway */
  constructor(
    queues: Queues,
    places: Pick<Places, "take" | "release">,
    failed: (error: unknown) => void,
  ) {
    this.#queues = queues;
    this.#places = places;
    this.#failed = failed;
  }

  /** Acquires a group lease for a run, if its group is not full. */
  async enter(name: string, group: string, limit: number): Promise<GroupPlace | FullGroup> {
    const mark = groupMark(name, group);
    const known = this.#group(mark);
    const full = { frees: known.frees };
    if (known.running >= limit) return full;
    known.running += 1;
    let place: Place | undefined;
    try {
      place = await this.#places.take(mark, limit);
    } finally {
      if (place === undefined) known.running -= 1;
    }
    if (place === undefined) return full;
    const held = place;
    return { release: () => this.#leave(mark, known, held) };
  }

  #group(mark: string): Group {
    const known = this.#groups.get(mark) ?? {
      running: 0,
      parked: new Map<string, string>(),
      frees: 0,
      look: undefined,
    };
    this.#groups.set(mark, known);
    return known;
  }

  /** Delays a run whose group is full. */
  async park(job: Job, token: string, group: string, { frees }: FullGroup): Promise<void> {
    const known = this.#group(groupMark(job.name, group));
    await job.moveToDelayed(Date.now() + PARK_MS, token);
    known.parked.set(job.id ?? "", job.queueName);
    this.#lookLater(known);
    // A lease was released in the meantime, when no run was waiting to be promoted.
    if (known.frees > frees && known.parked.size === 1) await this.#call(known);
  }

  /** Another server released a lease of that group. */
  freed(mark: string): void {
    const known = this.#groups.get(mark);
    if (known === undefined) return;
    known.frees += 1;
    void this.#call(known);
  }

  #lookLater(group: Group): void {
    if (this.#isClosed) return;
    group.look ??= setTimeout(() => {
      group.look = undefined;
      if (group.parked.size > 0) this.#lookLater(group);
      void this.#call(group);
    }, LOOK_EVERY_MS).unref();
  }

  #leave(mark: string, group: Group, place: Place): void {
    group.running -= 1;
    const released = this.#places
      .release(place)
      .catch((error: unknown) => this.#failed(error))
      .then(() => {
        group.frees += 1;
        return this.#call(group);
      })
      .finally(() => {
        if (group.running === 0 && group.parked.size === 0) this.#groups.delete(mark);
      });
    this.#releasing = Promise.all([this.#releasing, released]);
  }

  /** Promotes the next run that waits for this group. */
  async #call(group: Group): Promise<void> {
    for (const [id, queue] of group.parked) {
      group.parked.delete(id);
      try {
        // The worker that took the run is not used, because it may be closed by now.
        const job = await this.#queues.writer(queue).getJob(id);
        // Otherwise the run became due by itself, or another server has it.
        if ((await job?.isDelayed()) !== true) continue;
        await job?.promote();
        return;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** Promotes waiting runs for other servers; resolves when all remaining leases are released. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const group of this.#groups.values()) {
      clearTimeout(group.look);
      const most = Math.min(CALLED_AT_STOP, group.parked.size);
      for (let called = 0; called < most; called += 1) await this.#call(group);
    }
    await this.#releasing;
  }
}
