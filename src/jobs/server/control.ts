import { existsSync, readFileSync } from "node:fs";

import { sleep } from "../../base/timers.ts";
import { lives } from "../../bus/process-times.ts";
import { lockFile } from "../../posix/lock.ts";

/** Between two looks whether it has ended, in milliseconds. */
const LOOK_EVERY_MS = 50;

/**
 * The pid of the server that has a pidfile; `undefined` when none runs.
 *
 * @param path - absolute
 */
export function runningServer(path: string): number | undefined {
  if (!existsSync(path)) return undefined;
  const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !lives(pid)) return undefined;
  return isLocked(path) ? pid : undefined;
}

/** Where there is no flock to call, a pid that lives has to do. */
function isLocked(path: string): boolean {
  if (process.platform !== "linux") return true;
  const lock = lockFile(path);
  lock?.release();
  return lock === undefined;
}

/**
 * Asks the server of a pidfile to end, and waits until it has; it ends by its own deadline at the latest.
 *
 * @returns its pid, or `undefined` when none ran
 */
export async function stopServer(path: string): Promise<number | undefined> {
  const pid = runningServer(path);
  if (pid === undefined) return undefined;
  process.kill(pid, "SIGTERM");
  while (runningServer(path) === pid) await sleep(LOOK_EVERY_MS);
  return pid;
}
