import { readFileSync } from "node:fs";

import { newelError, systemCode } from "../../base/errors.ts";
import { pathProblem } from "../../base/path-problem.ts";
import { sleep } from "../../base/timers.ts";
import { lives } from "../../bus/process-times.ts";
import { lockFile } from "../../posix/lock.ts";

/** The interval at which the end of the server is checked, in milliseconds. */
const LOOK_EVERY_MS = 50;

/**
 * The pid of the server that has a pidfile; `undefined` when none runs.
 *
 * @param path - absolute
 * @throws NEWEL_E_BUS_FILE the file is there and cannot be read
 */
export function runningServer(path: string): number | undefined {
  const pid = Number.parseInt(readPidfile(path), 10);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !lives(pid)) return undefined;
  return isLocked(path) ? pid : undefined;
}

function readPidfile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    const why = pathProblem(path, error);
    throw newelError("NEWEL_E_BUS_FILE", { what: "pidfile", path, why }, error);
  }
}

/** Without flock the check falls back to whether the pid is alive. */
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
