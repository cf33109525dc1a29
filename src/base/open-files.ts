import { readFileSync } from "node:fs";

import { messageOf, type NewelError, newelError, systemCode } from "./errors.ts";

/**
 * The open files that a daemon needs at least: the kernel has about 45 with a single process, and each further
 * process takes 5.
 */
const LEAST = 128;

/**
 * The limit of open files of this process (`ulimit -n`), which its children inherit; `undefined` when it cannot be read,
 * such as for lack of a descriptor. Node.js raises the soft limit to the hard one at its start.
 */
export function openFilesLimit(): number | undefined {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/**
 * Checks that a daemon started by this process would have enough descriptors. With fewer it may fail at any
 * point, also while it stops a service.
 *
 * @throws NEWEL_E_OPEN_FILES
 */
export function checkOpenFiles(): void {
  const limit = openFilesLimit();
  if (limit !== undefined && limit < LEAST)
    throw newelError("NEWEL_E_OPEN_FILES", { limit, why: `newel needs ${LEAST}` });
}

/**
 * Returns the coded error if a call failed because this process has no descriptor left; `undefined` for any
 * other failure.
 */
export function asOpenFiles(error: unknown): NewelError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (systemCode(error) !== "EMFILE") return asOpenFiles(error.cause);
  const limit = openFilesLimit() ?? "too low";
  return newelError("NEWEL_E_OPEN_FILES", { limit, why: messageOf(error) }, error);
}
