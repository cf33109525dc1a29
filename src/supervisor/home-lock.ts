import { ftruncateSync, writeSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { type Home, makeHome } from "../base/home.ts";
import { lockFile } from "../posix/lock.ts";

/**
 * Takes the home for this supervisor alone, until the process ends.
 *
 * @returns the descriptor of the lock
 * @throws NEWEL_E_SUPERVISOR_RUNNING
 */
export function lockSupervisor(home: Home): number {
  makeHome(home);
  const lock = lockFile(home.supervisorLock);
  if (lock === undefined) throw newelError("NEWEL_E_SUPERVISOR_RUNNING", { home: home.directory });
  ftruncateSync(lock.fd);
  writeSync(lock.fd, String(process.pid), 0);
  return lock.fd;
}
