import { newelError } from "../../base/errors.ts";
import { groupMemory } from "../../pool/group-memory.ts";

/** How often memory is measured while a run has a limit, in milliseconds. */
const LOOK_MS = 250;
/** The largest share of time spent on measurements, which are slow on a machine with very many processes. */
const MAX_SHARE = 0.05;

/** The report of a process when a run begins. */
export interface ProcessMemory {
  readonly pid: number;
  /** Resident memory now, and when the process was new, in bytes. */
  readonly rssBytes: number;
  readonly freshBytes: number;
}

interface Watched extends ProcessMemory {
  /** The limit of the run; `undefined` when it shares the process but has no limit. */
  readonly limitBytes: number | undefined;
  verdict: unknown;
}

/** A run whose memory is measured. */
export interface MemoryWatch {
  /** Why its process was killed, if it was: NEWEL_E_POOL_MEMORY, or `SIBLING` when another run was the cause. */
  readonly verdict: unknown;
  end(): void;
}

/** The verdict of a run whose process was killed because of another run. */
export const SIBLING: unique symbol = Symbol("killed for another run");

/**
 * Kills the process group of a run that takes more memory than its limit. Processes execute one run after the
 * other: memory that earlier runs have left in a process does not count, as if the process were new.
 */
export class MemoryLimits {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  watch(memory: ProcessMemory, limitBytes: number | undefined): MemoryWatch {
    const watched: Watched = { ...memory, limitBytes, verdict: undefined };
    this.#watched.add(watched);
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
    return {
      get verdict() {
        return watched.verdict;
      },
      end: () => this.#end(watched),
    };
  }

  #end(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const start = performance.now();
    const limited = [...this.#watched].filter(({ limitBytes }) => limitBytes !== undefined);
    const used = groupMemory(new Set(limited.map(({ pid }) => pid)));
    for (const run of limited) this.#check(run, used?.get(run.pid) ?? 0);
    const tookMs = performance.now() - start;
    this.#timer = setTimeout(() => this.#look(), Math.max(LOOK_MS, tookMs / MAX_SHARE));
  }

  #check(run: Watched, groupBytes: number): void {
    const { pid, rssBytes, freshBytes, limitBytes = Number.POSITIVE_INFINITY } = run;
    const usedBytes = groupBytes - Math.max(0, rssBytes - freshBytes);
    if (usedBytes <= limitBytes || run.verdict !== undefined) return;
    for (const other of this.#watched)
      if (other.pid === pid)
        other.verdict ??=
          other === run
            ? newelError("NEWEL_E_POOL_MEMORY", { worker: pid, usedBytes, limitBytes })
            : SIBLING;
    killGroup(pid);
  }
}

/** Kills the process group, which the process leads, so its child processes are killed too. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
