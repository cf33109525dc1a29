import { monotonicMs, setTimeout } from "../base/globals.ts";
import { groupMemory } from "./group-memory.ts";

/** Milliseconds between two memory checks while there is a limit. */
const LOOK_MS = 250;
/**
 * On a machine with very many processes a check takes long: checks use at most this share of the
 * time.
 */
const MAX_SHARE = 0.05;

/** A worker that may have tasks with a limit. */
export interface WatchedWorker {
  readonly pid: number;
  readonly hasMemoryLimit: boolean;
  /** Its last report. */
  readonly report: { readonly rssBytes: number } | undefined;
  /** Learns of the memory of its group. */
  readonly departure: { checkMemory(usedBytes: number): void };
}

/** Checks the memory of workers with limited tasks, as long as there are any. */
export class MemoryWatch {
  readonly #workers: Iterable<WatchedWorker>;
  #isWatching = false;

  /** @param workers - the pool's own collection, which changes */
  constructor(workers: Iterable<WatchedWorker>) {
    this.#workers = workers;
  }

  /** There is a task with a limit. */
  start(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    const limited = [...this.#workers].filter(({ hasMemoryLimit }) => hasMemoryLimit);
    this.#isWatching = limited.length > 0;
    if (!this.#isWatching) return;
    const start = monotonicMs();
    const used = groupMemory(new Set(limited.map(({ pid }) => pid)));
    for (const worker of limited)
      worker.departure.checkMemory(used?.get(worker.pid) ?? worker.report?.rssBytes ?? 0);
    const tookMs = monotonicMs() - start;
    const nextMs = Math.max(LOOK_MS, tookMs / MAX_SHARE);
    setTimeout(() => this.#look(), nextMs).unref();
  }
}
