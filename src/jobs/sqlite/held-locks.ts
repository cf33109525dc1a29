import type { Outcome, Request } from "./group.ts";
import type { Finished } from "./operations/finish.ts";
import type { Taken, Taker } from "./operations/take.ts";

/** A lock of a job that this process holds. */
export interface HeldLock {
  readonly queue: string;
  readonly id: string;
  readonly token: string;
  /** Milliseconds. */
  readonly duration: number;
  renewedAt: number;
}

/**
 * The locks that this process holds, as the store thread observes them in calls. BullMQ renews them from the main
 * thread; a handler that keeps that thread busy would lose its job to another worker. So when a renewal
 * is late and the main thread does not answer a ping either, the store thread renews the lock. A main thread
 * that answers renews its own locks, or does not renew them on purpose.
 */
export class HeldLocks {
  readonly #locks = new Map<string, HeldLock>();
  /** When the observed calls were committed: a lock counts from then. */
  #at = 0;

  get size(): number {
    return this.#locks.size;
  }

  /** Records the locks that calls took, renewed or released. */
  observe(requests: readonly Request[], outcomes: readonly Outcome[]): void {
    let at = -1;
    this.#at = performance.now();
    for (const { operation, queue, args } of requests) {
      at += 1;
      const watch = WATCHED[operation];
      const outcome = outcomes[at];
      if (watch === undefined || outcome === undefined || "error" in outcome) continue;
      watch(this, queue, args, outcome.value);
    }
  }

  taken(queue: string, id: string, { token, lockDuration }: Taker): void {
    if (token === "0") return;
    const lock = { queue, id, token, duration: lockDuration, renewedAt: this.#at };
    this.#locks.set(`${queue}:${id}`, lock);
  }

  /** A job was taken for a worker before it asked. */
  offered(queue: string, id: string, taker: Taker): void {
    this.#at = performance.now();
    this.taken(queue, id, taker);
  }

  adopted(queue: string, id: string, token: string): void {
    const lock = this.#locks.get(`${queue}:${id}`);
    if (lock !== undefined) this.#locks.set(`${queue}:${id}`, { ...lock, token });
  }

  renewed(queue: string, id: string, at: number = this.#at): void {
    const lock = this.#locks.get(`${queue}:${id}`);
    if (lock !== undefined) lock.renewedAt = at;
  }

  ended(queue: string, id: string): void {
    this.#locks.delete(`${queue}:${id}`);
  }

  /** No lock could be renewed for this time, so all locks were extended by it. */
  postpone(ms: number): void {
    for (const lock of this.#locks.values()) lock.renewedAt += ms;
  }

  clear(): void {
    this.#locks.clear();
  }

  /** The locks for which at least this share of their time has passed since the last renewal. */
  late(share: number): HeldLock[] {
    const now = performance.now();
    return [...this.#locks.values()].filter(
      ({ renewedAt, duration }) => now - renewedAt > duration * share,
    );
  }

  /** Forgets locks that expired long ago, whichever process has the job now. */
  dropEnded(): void {
    for (const { queue, id } of this.late(2)) this.ended(queue, id);
  }
}

type Watch = (locks: HeldLocks, queue: string, args: readonly unknown[], value: unknown) => void;

const endedByFirst: Watch = (locks, queue, [id]) => locks.ended(queue, String(id));

function noteTaken(locks: HeldLocks, queue: string, taker: unknown, taken: Taken): void {
  if (taken !== undefined && "job" in taken)
    locks.taken(queue, String(taken.job[0]), taker as Taker);
}

const finished: Watch = (locks, queue, [request], value) => {
  const { id, next } = request as { id: string; next: Taker | null };
  locks.ended(queue, id);
  const outcome = value as Finished;
  if (typeof outcome !== "number") noteTaken(locks, queue, next, outcome.next);
};

const WATCHED: Readonly<Record<string, Watch>> = {
  takeJob: (locks, queue, [taker], value) => noteTaken(locks, queue, taker, value as Taken),
  adoptJob: (locks, queue, [id, , token], value) => {
    if (value === 1) locks.adopted(queue, String(id), String(token));
  },
  finishJob: finished,
  delayJob: finished,
  retryJob: endedByFirst,
  moveActiveToWait: endedByFirst,
  waitForChildren: endedByFirst,
  extendLock: (locks, queue, [id], value) => {
    if (value === 1) locks.renewed(queue, String(id));
  },
  extendLocks: (locks, queue, [ids], value) => {
    const lost = new Set(value as string[]);
    for (const id of ids as string[]) if (!lost.has(id)) locks.renewed(queue, id);
  },
};
