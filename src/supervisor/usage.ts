import { readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";

const PAGE_BYTES = 4_096;
/** Clock ticks of /proc a second: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface Usage {
  readonly memoryBytes: number;
  /** Of one core, since the last look at the same process; missing at the first. */
  readonly cpuPercent?: number;
}

/** Looks at the memory and the CPU time of processes, remembering the last look at each. */
export class UsageMeter {
  readonly #last = new Map<number, { readonly atMs: number; readonly ticks: number }>();

  /** @returns `undefined` when the process is gone */
  look(pid: number): Usage | undefined {
    const stat = read(`/proc/${pid}/stat`);
    const statm = read(`/proc/${pid}/statm`);
    if (stat === undefined || statm === undefined) {
      this.#last.delete(pid);
      return undefined;
    }
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const atMs = performance.now();
    const last = this.#last.get(pid);
    this.#last.set(pid, { atMs, ticks });
    const memoryBytes = Number(statm.split(" ")[1]) * PAGE_BYTES;
    if (last === undefined || ticks < last.ticks) return { memoryBytes };
    const seconds = (atMs - last.atMs) / 1_000;
    return {
      memoryBytes,
      cpuPercent: Math.round(((ticks - last.ticks) / TICKS_PER_SECOND / seconds) * 100),
    };
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
