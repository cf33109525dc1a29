import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";

import { messageOf, newelError } from "../../base/errors.ts";

/** The beginning of each SQLite database. */
const MAGIC = "SQLite format 3\0";

/**
 * Refuses a file that a backup must not overwrite: the store itself, a store with a WAL, which is in use or has jobs that are
 * in the WAL alone, and a file of another kind. A former backup may be overwritten.
 *
 * @throws NEWEL_E_JOBS_BACKUP
 */
export function assertBackupTarget(store: string, path: string): void {
  const refuse = (why: string, cause?: unknown): Error =>
    newelError("NEWEL_E_JOBS_BACKUP", { path, why }, cause);
  let file: Stats | undefined;
  try {
    file = statSync(path, { throwIfNoEntry: false });
    if (isPartOf(store, path, file)) throw refuse("it belongs to the store itself");
    if (file === undefined || file.size === 0) return;
    const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if ((wal?.size ?? 0) > 0) throw refuse("a store with a WAL is there, which may be in use");
    if (!file.isFile() || !isDatabase(path)) throw refuse("another kind of file is there");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "NEWEL_E_JOBS_BACKUP")
      throw error;
    throw refuse(messageOf(error), error);
  }
}

function isPartOf(store: string, path: string, file: Stats | undefined): boolean {
  return ["", "-wal", "-shm", "-owners"].some((part) => {
    const own = statSync(store + part, { throwIfNoEntry: false });
    const isSame = own?.ino === file?.ino && own?.dev === file?.dev;
    return path === store + part || (own !== undefined && isSame);
  });
}

/** Opening and closing the file here drops no lock: it has no WAL of this process, see {@link assertBackupTarget}. */
function isDatabase(path: string): boolean {
  const start = Buffer.alloc(MAGIC.length);
  const fd = openSync(path, "r");
  try {
    readSync(fd, start, 0, start.length, 0);
  } finally {
    closeSync(fd);
  }
  return start.toString("latin1") === MAGIC;
}
