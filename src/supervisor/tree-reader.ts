import { sleep } from "../base/timers.ts";
import type { ProcessTree } from "../kernel/process-api.ts";
import type { KernelClient } from "../kernel/client-api.ts";

/** The longest pause between two questions, in milliseconds. */
const LONGEST_PAUSE_MS = 500;

type Asker = ReturnType<typeof Promise.withResolvers<ProcessTree | undefined>>;

/**
 * Reads the process trees of one kernel for any number of stops at once: questions that come while
 * an answer is awaited are asked together, so that a stop of 500 services costs one pass over /proc
 * at a time.
 */
export class TreeReader {
  readonly #kernel: KernelClient;
  readonly #waiting = new Map<string, Asker[]>();
  #isReading = false;

  constructor(kernel: KernelClient) {
    this.#kernel = kernel;
  }

  /** The living processes of a tree with their details; `undefined` when there are none. */
  read(name: string): Promise<ProcessTree | undefined> {
    const asker: Asker = Promise.withResolvers();
    this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), asker]);
    if (!this.#isReading) void this.#readAll();
    return asker.promise;
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    // After all that ask in the same turn.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const asked = new Map(this.#waiting);
      const begunMs = performance.now();
      this.#waiting.clear();
      try {
        const trees = await this.#kernel.processes.trees([...asked.keys()], { detail: true });
        const byName = new Map(trees.map((tree) => [tree.name, tree]));
        for (const [name, askers] of asked)
          for (const { resolve } of askers) resolve(byName.get(name));
      } catch (error) {
        for (const askers of asked.values()) for (const { reject } of askers) reject(error);
      }
      // The kernel has other work too: questions gather for longer than an answer takes.
      await sleep(Math.min(LONGEST_PAUSE_MS, 2 * (performance.now() - begunMs)));
    }
    this.#isReading = false;
  }
}

const readers = new WeakMap<KernelClient, TreeReader>();

/** The reader that all stops through this client share. */
export function treeReader(kernel: KernelClient): TreeReader {
  const reader = readers.get(kernel) ?? new TreeReader(kernel);
  readers.set(kernel, reader);
  return reader;
}
