import { ftruncateSync, readFileSync, writeSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { type Home, makeHome } from "../base/home.ts";
import { type FileLock, lockFile } from "../posix/lock.ts";

/**
 * Makes the home and locks it for this process, until the process ends.
 *
 * @throws NEWEL_E_KERNEL_RUNNING when another kernel holds the lock
 * @throws NEWEL_E_HOME_ACCESS when it cannot be made
 */
export function lockHome(home: Home): FileLock {
  makeHome(home);
  const lock = lockFile(home.kernelLock);
  if (lock === undefined)
    throw newelError("NEWEL_E_KERNEL_RUNNING", { home: home.directory, holder: holder(home) });
  ftruncateSync(lock.fd);
  writeSync(lock.fd, String(process.pid), 0);
  return lock;
}

/** The holder's pid as ` (pid 123)`; empty in the moment before the holder has written it. */
function holder(home: Home): string {
  const pid = readFileSync(home.kernelLock, "utf8");
  return /^\d+$/.test(pid) ? ` (pid ${pid})` : "";
}
