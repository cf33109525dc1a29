import { messageOf } from "../base/errors.ts";
import { within } from "../base/timers.ts";
import type { ProcessTree, TreeProcess } from "../kernel/process-api.ts";
import type { KernelClient } from "../kernel/client-api.ts";

/** Clock ticks of /proc a second: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** A tree that was not read for this long counts as new: most of these have ended. */
const FORGET_MS = 3_600_000;
/** How many process trees are remembered in addition to those of the last reading, for quick restarts. */
const OTHERS_KEPT = 1_000;
/** A kernel that takes longer is busy or not there: services are shown without their usage. */
const ANSWER_MS = 2_000;

/** The usage of a process tree. */
interface Usage {
  /** The sum over its processes; a page that several of them share counts for each. */
  readonly memoryBytes: number;
  /**
   * The CPU time in percent of one core since the previous reading of this tree; missing in the first reading.
   */
  readonly cpuPercent?: number;
}

/** The process trees of the kernel at one moment; empty when the kernel did not answer. */
export interface Trees {
  readonly byName: ReadonlyMap<string, ProcessTree>;
  readonly usages: ReadonlyMap<string, Usage>;
}

interface Last {
  readonly atMs: number;
  /** CPU ticks of each process, by `PID:STARTTICKS`. */
  readonly ticks: ReadonlyMap<string, number>;
}

/** Reads the trees of services and their usage from the kernel in one call. */
export class Usages {
  readonly #kernel: KernelClient;
  readonly #log: (text: string) => void;
  readonly #meter = new UsageMeter();

  constructor(kernel: KernelClient, log: (text: string) => void) {
    this.#kernel = kernel;
    this.#log = log;
  }

  async look(
    found: readonly { readonly service: { readonly runs: readonly string[] } }[],
  ): Promise<Trees> {
    const names = found.flatMap(({ service }) => service.runs);
    try {
      const trees =
        names.length === 0
          ? []
          : await within(this.#kernel.processes.trees(names), ANSWER_MS, "The kernel");
      const byName = new Map(trees.map((tree) => [tree.name, tree]));
      return { byName, usages: this.#meter.measure(trees, performance.now()) };
    } catch (error) {
      this.#log(`What services use is not known: ${messageOf(error)}`);
      return { byName: new Map(), usages: new Map() };
    }
  }
}

/** Sums the memory and the CPU time of process trees, and remembers the last reading of each tree. */
export class UsageMeter {
  readonly #last = new Map<string, Last>();

  /**
   * Evaluates the process trees of one reading of the kernel.
   *
   * @param nowMs - by a monotonic clock
   * @returns the usage of each tree by its name
   */
  measure(trees: readonly ProcessTree[], nowMs: number): ReadonlyMap<string, Usage> {
    for (const [name, { atMs }] of this.#last)
      if (nowMs - atMs > FORGET_MS) this.#last.delete(name);
    const usages = new Map<string, Usage>();
    for (const { name, processes } of trees) {
      const last = this.#last.get(name);
      const ticks = new Map(processes.map((each) => [keyOf(each), each.cpuTicks]));
      // The latest reading is the last entry.
      this.#last.delete(name);
      this.#last.set(name, { atMs: nowMs, ticks });
      const memoryBytes = processes.reduce((sum, each) => sum + each.memoryBytes, 0);
      const cpuPercent = last === undefined ? undefined : percentOf(last, ticks, nowMs);
      usages.set(name, { memoryBytes, ...(cpuPercent === undefined ? {} : { cpuPercent }) });
    }
    for (const name of this.#last.keys()) {
      if (this.#last.size <= trees.length + OTHERS_KEPT) break;
      this.#last.delete(name);
    }
    return usages;
  }
}

/** A process that is new since the last reading has used all of its CPU time since that reading. */
function percentOf(
  { atMs, ticks: before }: Last,
  ticks: ReadonlyMap<string, number>,
  nowMs: number,
): number | undefined {
  if (nowMs <= atMs) return undefined;
  let used = 0;
  for (const [key, count] of ticks) used += Math.max(0, count - (before.get(key) ?? 0));
  return Math.round((used / TICKS_PER_SECOND / ((nowMs - atMs) / 1_000)) * 100);
}

function keyOf({ pid, startTicks }: TreeProcess): string {
  return `${pid}:${startTicks}`;
}
