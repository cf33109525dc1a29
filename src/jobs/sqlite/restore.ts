import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

import { messageOf, newelError } from "../../base/errors.ts";
import { parseConnection, type SqliteConnection } from "./connection.ts";
import { APPLICATION_ID, integrityProblems } from "./database.ts";
import { makePrivateFile } from "./same-file.ts";
import { WalPair } from "./wal-pair.ts";

/** The result of a restore. */
export interface RestoredStore {
  /** The restored file, which has the backup's content now. */
  readonly path: string;
  /** The path at which the former file is kept, with its WAL as `KEPT-wal`; `undefined` when there was no file. */
  readonly kept: string | undefined;
}

/**
 * Replaces a job file by a backup, also while processes have the file open: each of their next calls is
 * refused with NEWEL_E_JOBS_GONE, and the calls after that use the backup's content. The former file is kept
 * next to it, with its WAL. The backup itself is only read.
 *
 * @throws NEWEL_E_JOBS_CONNECTION the connection names no file
 * @throws NEWEL_E_JOBS_FILE the backup does not exist or is not a job file
 * @throws NEWEL_E_JOBS_DAMAGED the backup is damaged; nothing was changed
 */
export async function restoreJobStore(
  backupPath: string,
  connection: SqliteConnection,
): Promise<RestoredStore> {
  const { path } = parseConnection(connection);
  const source = resolve(backupPath);
  const temporary = `${path}.restore-${randomUUID()}`;
  try {
    await copyChecked(source, temporary);
    syncPath(temporary);
    const kept = new WalPair(path).replace(temporary);
    syncPath(dirname(path));
    return { path, kept };
  } finally {
    for (const part of ["", "-wal", "-shm"]) rmSync(temporary + part, { force: true });
  }
}

async function copyChecked(source: string, target: string): Promise<void> {
  if (statSync(source, { throwIfNoEntry: false })?.isFile() !== true)
    throw newelError("NEWEL_E_JOBS_FILE", { path: source, why: "there is no such file" });
  try {
    const from = new DatabaseSync(atRest(source), { readOnly: true });
    try {
      makePrivateFile(target);
      await backup(from, target);
    } finally {
      from.close();
    }
  } catch (error) {
    throw newelError("NEWEL_E_JOBS_FILE", { path: source, why: messageOf(error) }, error);
  }
  const copy = new DatabaseSync(target);
  try {
    const application = copy.prepare("PRAGMA application_id").get()?.["application_id"];
    if (application !== APPLICATION_ID)
      throw newelError("NEWEL_E_JOBS_FILE", { path: source, why: "it is no file of jobs" });
    const problems = integrityProblems(copy, "full");
    if (problems.length > 0)
      throw newelError("NEWEL_E_JOBS_DAMAGED", {
        path: source,
        why: problems.join("; "),
        copy: "",
      });
  } finally {
    copy.close();
  }
}

/** Whether the file has no WAL: then no program writes to it, and it can be read in a read-only directory. */
function atRest(source: string): string | URL {
  if ((statSync(`${source}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return source;
  const url = pathToFileURL(source);
  url.search = "?immutable=1";
  return url;
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
