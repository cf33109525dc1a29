import { hasCode, messageOf } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import type { Missing } from "./machine/restart-tracker.ts";
import type { FoundReplica } from "./machine/types.ts";
import { parseRunName, type RunName } from "./process-names.ts";
import { treeReader } from "./tree-reader.ts";

/** Ended runs whose output stays readable, in addition to one for each wanted replica. */
const RUNS_KEPT = 5;

/** The last generation of a replica, which completed its work and is not run again. */
export interface Completed {
  readonly number: number;
  readonly generation: number;
  /** Of the settings it ran with, shortened as in the name of the process. */
  readonly hash: string;
}

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

  /** The state as an earlier supervisor stored it. */
  readonly #completedBefore: readonly Completed[];
  #isReconciled = false;

  constructor(parts: EndedRunsParts, completed: readonly Completed[]) {
    this.#parts = parts;
    this.#completedBefore = completed;
  }

  /** Oldest first. */
  get names(): readonly string[] {
    return this.#names;
  }

  add(name: string): void {
    if (!this.#names.includes(name)) this.#names.push(name);
  }

  /** The name of a kept run by its generation. */
  nameOf(generation: number): string | undefined {
    return this.#names.findLast((each) => each.includes(`#${generation}-`));
  }

  /** A kept run by its generation. */
  run(generation: number): RunName | undefined {
    const name = this.nameOf(generation);
    return name === undefined ? undefined : parseRunName(name);
  }

  /** The missing replicas that completed, with the settings they ran with. */
  completed(missing: readonly (readonly [number, Missing])[]): readonly Completed[] {
    if (!this.#isReconciled) return this.#completedBefore;
    return missing.flatMap(([number, each]) => {
      if (each.kind !== "completed") return [];
      const { generation } = each;
      const before = this.#completedBefore.find((past) => past.generation === generation);
      const hash = this.run(generation)?.hash ?? before?.hash;
      return hash === undefined ? [] : [{ number, generation, hash }];
    });
  }

  /** Replicas that completed with these settings, and that the kernel has forgotten. */
  forgotten(found: readonly { readonly run: RunName }[], spec: ResolvedService): FoundReplica[] {
    this.#isReconciled = true;
    const known = new Set(found.map(({ run }) => run.run));
    return this.#completedBefore
      .filter(({ generation, hash }) => !known.has(generation) && spec.hash.startsWith(hash))
      .map(({ number, generation }) => ({
        number,
        generation,
        spec,
        current: true,
        running: false,
        hasDescendants: false,
        exitCode: 0,
        ageMs: 0,
      }));
  }

  /** Removes the oldest from the kernel, except one with a living process: that can be ended only through its entry. */
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

/** Reads stored completed replicas, by service; an entry of another shape is left out. */
export function parseCompleted(value: unknown): Record<string, readonly Completed[]> {
  const completed: Record<string, readonly Completed[]> = {};
  for (const [service, entries] of Object.entries(Object(value))) {
    if (!Array.isArray(entries)) continue;
    completed[service] = entries.flatMap((entry: unknown) => {
      const { number, generation, hash }: { [Key in keyof Completed]?: unknown } = Object(entry);
      const isWhole = typeof number === "number" && typeof generation === "number";
      return isWhole && typeof hash === "string" ? [{ number, generation, hash }] : [];
    });
  }
  return completed;
}
