import type { Job } from "bullmq";

/** How long a run that waits for its group is put away, in milliseconds: it is called as soon as there is room. */
const PARK_MS = 60_000;

/** A place in a group, to be given back. */
export interface GroupPlace {
  release(): void;
}

interface Group {
  running: number;
  /** Runs that were put away until there is room, the oldest first. */
  readonly parked: Map<string, Job>;
}

/**
 * How many runs of one group run at once in this server. A run that was taken and has no place is put
 * away as delayed, without using up an attempt, and called when a place gets free: what is behind it
 * in the queue is not kept waiting.
 */
export class Groups {
  readonly #groups = new Map<string, Group>();
  readonly #failed: (error: unknown) => void;

  /** @param failed - told of what goes wrong when a run is called; it comes by itself later */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** A place for a run; `undefined` when its group is full. */
  enter(name: string, group: string, limit: number): GroupPlace | undefined {
    const key = `${name}~${group}`;
    const known = this.#groups.get(key) ?? { running: 0, parked: new Map<string, Job>() };
    if (known.running >= limit) return undefined;
    known.running += 1;
    this.#groups.set(key, known);
    return { release: () => this.#leave(key, known) };
  }

  /** Puts a run away that found its group full. */
  async park(job: Job, token: string, group: string, limit: number): Promise<void> {
    const known = this.#groups.get(`${job.name}~${group}`);
    await job.moveToDelayed(Date.now() + PARK_MS, token);
    if (known === undefined) return;
    known.parked.set(job.id ?? "", job);
    // A place got free meanwhile.
    if (known.running < limit) await this.#call(known);
  }

  #leave(key: string, group: Group): void {
    group.running -= 1;
    if (group.parked.size > 0) void this.#call(group);
    else if (group.running === 0) this.#groups.delete(key);
  }

  async #call(group: Group): Promise<void> {
    const [next] = group.parked.values();
    if (next === undefined) return;
    group.parked.delete(next.id ?? "");
    try {
      await next.promote();
    } catch (error) {
      this.#failed(error);
    }
  }
}
