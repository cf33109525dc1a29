import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from "node:fs";

import { newelError } from "../../base/errors.ts";
import { pathProblem } from "../../base/path-problem.ts";

/**
 * Writes a new file and syncs it, then calls `place`, which gives it its name. The new file is gone
 * afterwards in any case.
 *
 * @param path - the file as users know it, for errors
 * @throws NEWEL_E_NOT_KEPT when the file cannot be written, such as on a full disk
 */
export function keepFile(path: string, text: string, place: (fresh: string) => void): void {
  const { threadId } = process.getBuiltinModule("node:worker_threads");
  const fresh = `${path}.${process.pid}-${threadId}.new`;
  try {
    writeWhole(fresh, text);
    place(fresh);
  } catch (error) {
    throw newelError("NEWEL_E_NOT_KEPT", { path, why: pathProblem(path, error) }, error);
  } finally {
    rmSync(fresh, { force: true });
  }
}

function writeWhole(path: string, text: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    // Unlike writeSync, it writes the rest after a short write, which a disk gives that is nearly full.
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
