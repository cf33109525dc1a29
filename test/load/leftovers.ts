import { readdirSync, readFileSync } from "node:fs";

import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

/** The living processes that have a text in their arguments or their environment. */
function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => ["cmdline", "environ"].some((file) => readOf(pid, file).includes(mark)))
    .map(Number);
}

/** Empty for a process that has ended, a zombie, or another user's process. */
function readOf(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}

/**
 * Kills every process that knows of a temporary directory, daemons and their orphans included.
 *
 * @returns how many there were
 */
export async function killProcessesOf(directory: string): Promise<number> {
  const found = new Set<number>();
  await eventually(() => {
    const pids = processesWith(directory);
    for (const pid of pids) {
      found.add(pid);
      try {
        sendSignal(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    }
    return pids.length === 0;
  }, `nothing of ${directory} runs any more`);
  return found.size;
}
