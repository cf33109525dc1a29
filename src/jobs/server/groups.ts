import type { Job } from "bullmq";

import type { Queues } from "../store/queues.ts";
import { groupMark, type Place, type Places } from "./places.ts";

/**
 * How long a run that waits for its group is put away, in milliseconds: it is called as soon as there is
 * room, unless the server that would call it was killed.
 */
const PARK_MS = 30_000;
/** How many of a group are called when the server stops, for the next one to deal with. */
const CALLED_AT_STOP = 100;
/** How often a group with runs that wait is looked at, in milliseconds: who had its places may have died. */
const LOOK_EVERY_MS = 2_000;

/** A place in a group, to be given back. */
export interface GroupPlace {
  release(): void;
}

interface Group {
  /** Here. */
  running: number;
  /** The queues of runs that were put away until there is room, by their ids, the oldest first. */
  readonly parked: Map<string, string>;
  /** How often a place got free, here or elsewhere. */
  frees: number;
  look: NodeJS.Timeout | undefined;
}

/** A group had no place when so many had got free. */
export interface FullGroup {
  readonly frees: number;
}

/**
 * How many runs of one group run at once, on all servers together. A run that was taken and has no place
 * is put away as delayed, without using up an attempt, and called when a place gets free: what is behind
 * it in the queue is not kept waiting.
 */
export class Groups {
  readonly #queues: Queues;
  readonly #places: Pick<Places, "take" | "release">;
  readonly #groups = new Map<string, Group>();
  readonly #failed: (error: unknown) => void;
  #isClosed = false;
  #releasing: Promise<unknown> = Promise.resolve();

  /** @param failed - told of what goes wrong when a run is called; it comes by itself later */
  constructor(
    queues: Queues,
    places: Pick<Places, "take" | "release">,
    failed: (error: unknown) => void,
  ) {
    this.#queues = queues;
    this.#places = places;
    this.#failed = failed;
  }

  /** A place for a run, if its group is not full. */
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

  /** Puts a run away that found its group full. */
  async park(job: Job, token: string, group: string, { frees }: FullGroup): Promise<void> {
    const known = this.#group(groupMark(job.name, group));
    await job.moveToDelayed(Date.now() + PARK_MS, token);
    known.parked.set(job.id ?? "", job.queueName);
    this.#lookLater(known);
    // A place got free meanwhile, when nobody was there to be called.
    if (known.frees > frees && known.parked.size === 1) await this.#call(known);
  }

  /** Another server gave a place of that group back. */
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

  /** The next run that waits for this group may come. */
  async #call(group: Group): Promise<void> {
    for (const [id, queue] of group.parked) {
      group.parked.delete(id);
      try {
        // Not by the worker that took it, which may be closed by now.
        const job = await this.#queues.writer(queue).getJob(id);
        // Else its time has come by itself, or another server has it.
        if ((await job?.isDelayed()) !== true) continue;
        await job?.promote();
        return;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** Calls those that wait, for other servers; resolves when all places that were left are given back. */
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
