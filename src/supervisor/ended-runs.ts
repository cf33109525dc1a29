import { hasCode, messageOf } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { treeReader } from "./tree-reader.ts";

/** Ended runs whose output stays readable, in addition to one for each wanted replica. */
const RUNS_KEPT = 5;

interface EndedRunsParts {
  readonly kernel: KernelClient;
  readonly log: (text: string) => void;
}

/**
 * The ended runs of a service by their names in the kernel: their output is readable, and processes
 * that they started may still live (daemons, background children).
 */
export class EndedRuns {
  readonly #parts: EndedRunsParts;
  #names: string[] = [];

  constructor(parts: EndedRunsParts) {
    this.#parts = parts;
  }

  /** Oldest first. */
  get names(): readonly string[] {
    return this.#names;
  }

  add(name: string): void {
    if (!this.#names.includes(name)) this.#names.push(name);
  }

  /** Has the kernel forget the oldest, but none of which a process still lives: that one can be ended only by its run. */
  async dropOld(replicas: number): Promise<void> {
    const old = this.#names.slice(0, Math.max(0, this.#names.length - RUNS_KEPT - replicas));
    if (old.length === 0) return;
    try {
      const left = await this.#withLiving(old);
      for (const name of old) if (!left.includes(name)) this.#remove(name);
    } catch (error) {
      // The next run that ends drops them.
      this.#parts.log(`dropping old runs: ${messageOf(error)}`);
    }
  }

  forgetAll(): void {
    for (const name of this.#names) this.#remove(name);
  }

  async #withLiving(names: readonly string[]): Promise<readonly string[]> {
    const reader = treeReader(this.#parts.kernel);
    const trees = await Promise.all(names.map((name) => reader.read(name)));
    return names.filter((_, index) => trees[index] !== undefined);
  }

  #remove(name: string): void {
    this.#names = this.#names.filter((each) => each !== name);
    this.#parts.kernel.processes.remove(name).catch((error: unknown) => {
      if (!hasCode(error, "NEWEL_E_NOT_FOUND"))
        this.#parts.log(`removing ${name}: ${messageOf(error)}`);
    });
  }
}
