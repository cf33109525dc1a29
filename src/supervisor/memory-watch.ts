import { readFileSync } from "node:fs";

import { messageOf, systemCode } from "../base/errors.ts";
import { within } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ProcessTree } from "../kernel/process-api.ts";
import type { Service } from "./service.ts";

/** From one sample to the next, in milliseconds. */
const SAMPLE_MS = 2_000;
/** A kernel that takes longer is busy or not there: the sample is left out. */
const ANSWER_MS = 2_000;

/** The dependencies of the watch. */
interface MemoryWatchParts {
  readonly kernel: KernelClient;
  readonly services: () => Iterable<Service>;
  readonly log: (text: string) => void;
}

/** Samples the memory of the services with `maxMemory`. The service machine decides about the samples. */
export class MemoryWatch {
  readonly #parts: MemoryWatchParts;
  readonly #timer: NodeJS.Timeout;
  #isSampling = false;
  #hasFailed = false;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const limited = [...this.#parts.services()].filter(
      ({ spec }) => spec.maxMemoryBytes !== undefined,
    );
    const names = limited.flatMap(({ replicas }) => replicas.map(({ kernelName }) => kernelName));
    if (names.length === 0 || this.#isSampling) return;
    this.#isSampling = true;
    try {
      const trees = await within(
        this.#parts.kernel.processes.trees(names),
        ANSWER_MS,
        "The kernel",
      );
      const byName = new Map(trees.map((tree) => [tree.name, tree]));
      for (const service of limited) take(service, byName);
      this.#hasFailed = false;
    } catch (error) {
      // Once for each time that the kernel is away.
      if (!this.#hasFailed)
        this.#parts.log(`The memory of services is not known: ${messageOf(error)}`);
      this.#hasFailed = true;
    } finally {
      this.#isSampling = false;
    }
  }
}

function take(service: Service, trees: ReadonlyMap<string, ProcessTree>): void {
  for (const { kernelName, run } of service.replicas) {
    const tree = trees.get(kernelName);
    const limit = service.spec.maxMemoryBytes;
    if (tree !== undefined && limit !== undefined) service.measured(run.run, memoryOf(tree, limit));
  }
}

/**
 * The memory of a tree in bytes. The sum of its resident sets counts shared pages several times; only a sum above the
 * limit is worth the reading of the proportional sets, which takes the system longer.
 */
function memoryOf({ processes }: ProcessTree, limitBytes: number): number {
  const resident = processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  if (resident <= limitBytes) return resident;
  return processes.reduce(
    (sum, { pid, memoryBytes }) => sum + (proportionalBytes(pid) ?? memoryBytes),
    0,
  );
}

/** Pss of /proc/PID/smaps_rollup (proc_pid_smaps(5)); `undefined` for a process of another user, or one that is gone. */
function proportionalBytes(pid: number): number | undefined {
  try {
    const found = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
    return found === null ? undefined : Number(found[1]) * 1_024;
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
