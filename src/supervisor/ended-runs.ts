import { hasCode, messageOf } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { StopScope } from "./stop-targets.ts";
import { type Killed, TreeStop } from "./stop-tree.ts";
import { treeReader } from "./tree-reader.ts";

/** Ended runs whose output stays readable, in addition to one for each wanted replica. */
const RUNS_KEPT = 5;

interface EndedRunsParts {
  readonly kernel: KernelClient;
  readonly log: (text: string) => void;
}

/** How the processes that ended runs left are stopped. */
export interface LeftStop {
  readonly stop: {
    readonly signal: string;
    readonly scope: StopScope;
    readonly graceMs: number;
  };
  /** SIGKILL without the grace. */
  readonly now: boolean;
  readonly killed: (run: string, killed: readonly Killed[]) => void;
}

/**
 * The ended runs of a service by their names in the kernel: their output is readable, and processes
 * that they started may still live (daemons, background children).
 */
export class EndedRuns {
  readonly #parts: EndedRunsParts;
  readonly #stops = new Map<string, { readonly stop: TreeStop; readonly done: Promise<void> }>();
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

  /**
   * Ends every process that an ended run left, by the stop ladder.
   *
   * @returns whether there was one
   * @throws NEWEL_E_NOT_STOPPED when one outlives SIGKILL
   */
  async endLeft(how: LeftStop): Promise<boolean> {
    if (this.#names.length === 0) return false;
    const left = await this.#withLiving(this.#names);
    const results = await Promise.allSettled(left.map((name) => this.#end(name, how)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    return left.length > 0;
  }

  #end(name: string, { stop: options, now, killed }: LeftStop): Promise<void> {
    const running = this.#stops.get(name);
    if (running !== undefined) {
      if (now) running.stop.now();
      return running.done;
    }
    const stop = new TreeStop(this.#parts.kernel, name, options);
    if (now) stop.now();
    const done = stop
      .run()
      .then((list) => {
        if (list.length > 0) killed(name, list);
      })
      .finally(() => this.#stops.delete(name));
    this.#stops.set(name, { stop, done });
    return done;
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
