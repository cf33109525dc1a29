import { groupMemory } from "./group-memory.ts";

/** How often memory is looked at while there is a limit. */
const LOOK_MS = 250;
/** On a machine with very many processes a look takes long: never more than this share of the time. */
const MAX_SHARE = 0.05;

/** A worker that may have tasks with a limit. */
export interface WatchedWorker {
  readonly pid: number;
  readonly hasMemoryLimit: boolean;
  /** What it last said of itself. */
  readonly report: { readonly rssBytes: number } | undefined;
  /** Its group has so much memory. */
  checkMemory(usedBytes: number): void;
}

/** Looks at the memory of workers with limited tasks, as long as there are any. */
export class MemoryWatch {
  readonly #workers: Iterable<WatchedWorker>;
  #isWatching = false;

  /** @param workers - the pool's own: it changes */
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
    const start = performance.now();
    const used = groupMemory(new Set(limited.map(({ pid }) => pid)));
    for (const worker of limited)
      worker.checkMemory(used?.get(worker.pid) ?? worker.report?.rssBytes ?? 0);
    const tookMs = performance.now() - start;
    const nextMs = Math.max(LOOK_MS, tookMs / MAX_SHARE);
    setTimeout(() => this.#look(), nextMs).unref();
  }
}
