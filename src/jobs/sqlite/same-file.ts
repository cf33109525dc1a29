import { closeSync, linkSync, lstatSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { basename, dirname, join } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";

/** The files that SQLite has open in WAL mode: the database, the WAL and the index of the WAL. */
const PARTS = ["", "-wal", "-shm"] as const;

interface Identity {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
}

/**
 * Whether the files at the path are still those that were opened. SQLite continues writing to files whose
 * names were removed or given to other files, and all of those writes are lost. Another program removes the WAL and its
 * index when it takes itself for the last user of the database: this happens after this process lost its
 * POSIX locks, because some code in the process opened and closed the database file.
 */
export class SameFile {
  readonly #parts: readonly Identity[];
  readonly #path: string;

  /** Call it after the first write to the database, so that all parts exist. */
  constructor(path: string) {
    this.#path = path;
    this.#parts = PARTS.map((part) => {
      const { dev, ino } = statSync(path + part);
      return { path: path + part, dev, ino };
    });
  }

  /** @throws NEWEL_E_JOBS_GONE */
  assert(): void {
    for (const { path, dev, ino } of this.#parts) {
      const now = statSync(path, { throwIfNoEntry: false });
      if (now?.ino !== ino || now.dev !== dev)
        throw newelError("NEWEL_E_JOBS_GONE", { path: this.#path, part: path });
    }
  }
}

/** The end of the name that a new file has until it is closed, without its random part. */
const TEMPORARY = ".new-";

/**
 * Refuses a file with a second hard link: under another name its WAL and its locks would be others ("How To Corrupt An
 * SQLite Database File", 2.5). A name that {@link makePrivateFile} left in a killed process is removed.
 *
 * @throws NEWEL_E_JOBS_LINKED
 */
export function assertOneName(path: string): void {
  const file = statSync(path);
  // A directory has a name in each directory that it holds; SQLite says that it is no file.
  if (!file.isFile() || file.nlink < 2) return;
  const { dev, ino } = file;
  const directory = dirname(path);
  const others = readdirSync(directory)
    .filter((name) => name !== basename(path))
    .filter((name) => {
      const stat = lstatSync(join(directory, name), { throwIfNoEntry: false });
      return stat?.ino === ino && stat.dev === dev;
    });
  for (const name of others)
    if (name.startsWith(basename(path) + TEMPORARY)) rmSync(join(directory, name), { force: true });
  if (statSync(path).nlink < 2) return;
  const names = others.join(", ") || "in another directory";
  throw newelError("NEWEL_E_JOBS_LINKED", { path, names });
}

/**
 * Creates an empty file that only its user may read, unless the file exists. SQLite would create it by the umask,
 * and gives its WAL and index the mode of the database. The file gets its name when it is closed: closing
 * it under its final name would drop the locks of a connection that another thread just opened.
 */
export function makePrivateFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const temporary = `${path}${TEMPORARY}${randomUUID()}`;
  closeSync(openSync(temporary, "wx", 0o600));
  try {
    linkSync(temporary, path);
  } catch (error) {
    // EEXIST: another process or thread made it. EPERM: a file system without links.
    if (systemCode(error) === "EPERM") closeSync(openSync(path, "a", 0o600));
    else if (systemCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}
