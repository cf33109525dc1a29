import type { Worker } from "node:worker_threads";

import type { Bus } from "../bus.ts";
import { notify } from "../plugin-channels.ts";

/** The running threads that the bus knows. */
export interface Threads {
  /** Thread ids and the index of each: the smallest that no live thread has, from 1. */
  readonly running: ReadonlyMap<number, number>;
  /**
   * Records that a thread works; the first time `startThread` is published with its index and id.
   *
   * @returns its index
   */
  acquire(threadId: number): number;
  /** Records its end: `stopThread` is published. Does nothing when the thread is unknown. */
  release(threadId: number): void;
}

/**
 * Publishes the start and end of worker threads on `startThread` and `stopThread` (index,
 * threadId): for resources that each thread needs, such as a database connection. Workers made in
 * this thread are registered automatically; `stop` and `graceful` release all, and code that
 * continues to use one acquires it again.
 */
export function threads(bus: Bus): Threads {
  const manager = new ThreadManager(bus);
  const name = "threads";
  const created = (worker: Worker): void => manager.created(worker);
  bus.subscribe("start", () => void process.on("worker", created), { name, priority: 10 });
  bus.subscribe("stop", () => manager.releaseAll(), { name });
  bus.subscribe("stop", () => void process.off("worker", created), { name, priority: 90 });
  bus.subscribe("graceful", () => manager.releaseAll(), { name });
  return manager;
}

class ThreadManager implements Threads {
  readonly #bus: Bus;
  readonly #running = new Map<number, number>();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  get running(): ReadonlyMap<number, number> {
    return this.#running;
  }

  created(worker: Worker): void {
    // In 'exit' it is -1.
    const { threadId } = worker;
    notify(this.#bus, () => this.acquire(threadId));
    worker.once("exit", () => notify(this.#bus, () => this.release(threadId)));
  }

  acquire(threadId: number): number {
    const known = this.#running.get(threadId);
    if (known !== undefined) return known;
    const index = this.#freeIndex();
    this.#running.set(threadId, index);
    this.#bus.publish("startThread", index, threadId);
    return index;
  }

  release(threadId: number): void {
    const index = this.#running.get(threadId);
    if (index === undefined) return;
    this.#running.delete(threadId);
    this.#bus.publish("stopThread", index, threadId);
  }

  releaseAll(): void {
    for (const threadId of this.#running.keys()) this.release(threadId);
  }

  #freeIndex(): number {
    const taken = new Set(this.#running.values());
    let index = 1;
    while (taken.has(index)) index += 1;
    return index;
  }
}
