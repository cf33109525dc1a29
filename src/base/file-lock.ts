import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { systemCode } from "./errors.ts";

/**
 * A lock among processes without flock, which Node.js does not have: for programs that run before native
 * code can be loaded.
 *
 * To take the lock, a process makes its own file next to the path, `PATH.PID-START-THREAD`, and then
 * reads the directory. It has the lock if no other of these files belongs to a living process; else it removes
 * its file and tries again later. Of two processes the one that makes its file later sees the file of the other,
 * so that two never have the lock; if both make it at the same time, neither has. A file is removed by its own
 * process alone: the file of a dead process counts for nothing and is never in the way, so no process has to decide
 * whether it may remove the lock of another. `START` is the start time of the process, as a pid is used again.
 */

/**
 * Tries to take a lock. Returns the function that releases it; `undefined` when another running process holds
 * it or tries to take it.
 */
export function tryPathLock(path: string): (() => void) | undefined {
  if (lockHolder(path) !== undefined) return undefined;
  const { threadId } = process.getBuiltinModule("node:worker_threads");
  const own = `${path}.${process.pid}-${startOf(process.pid) ?? 0}-${threadId}`;
  writeFileSync(own, "", { mode: 0o600 });
  const release = (): void => rmSync(own, { force: true });
  if (lockHolder(path, basename(own)) === undefined) return release;
  release();
  return undefined;
}

/** The pid of a living process that has a lock or is trying to take it, other than by the file `own`. */
export function lockHolder(path: string, own?: string): number | undefined {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix) || name === own) continue;
    const owner = /^(\d+)-(\d+)-\d+$/.exec(name.slice(prefix.length));
    if (owner === null) continue;
    const pid = Number(owner[1]);
    if (startOf(pid) === owner[2]) return pid;
  }
  return undefined;
}

/** Whether a file name is that of a lock whose process has ended. */
export function isDeadLock(name: string): boolean {
  const owner = /^\..+\.lock\.(\d+)-(\d+)-\d+$/.exec(name);
  return owner !== null && startOf(Number(owner[1])) !== owner[2];
}

/** The start time of a living process in clock ticks since boot (proc_pid_stat(5), field 22). */
function startOf(pid: number): string | undefined {
  const stat = readStat(pid);
  // The name of the program, in parentheses, may have spaces. The state follows, and the start is 19 fields later.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return fields[0] === "Z" ? undefined : fields[19];
}

function readStat(pid: number): string | undefined {
  try {
    return readFileSync(join("/proc", String(pid), "stat"), "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH") return undefined;
    throw error;
  }
}
