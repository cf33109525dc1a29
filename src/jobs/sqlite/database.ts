import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { messageOf, newelError } from "../../base/errors.ts";
import type { StoreOptions } from "./connection.ts";
import { keepDamagedCopy } from "./damaged-copy.ts";
import { isBusy, isDamage, storeError } from "./database-errors.ts";
import { warnOfNetwork } from "./network-file.ts";
import { assertOneName, makePrivateFile } from "./same-file.ts";
import { MIGRATIONS } from "./schema.ts";
import { assertSafeSqlite } from "./sqlite-version.ts";

/** The application id of newel's job files in the file header; it distinguishes them from other databases. */
export const APPLICATION_ID = 0x6e_77_6a_31;
/** A file larger than this is not read completely each time a process starts. */
const CHECKED_BYTES = 256_000_000;
/** How long other processes may hold the file locked while they open or close it, in milliseconds. */
const OPEN_PATIENCE_MS = 10_000;

/**
 * Opens a job file, creates a missing one, checks it and migrates its tables.
 *
 * @throws NEWEL_E_JOBS_FILE, NEWEL_E_JOBS_DAMAGED, NEWEL_E_JOBS_NEWER, NEWEL_E_JOBS_SQLITE
 */
export function openDatabase(options: StoreOptions): DatabaseSync {
  const { path } = options;
  assertSafeSqlite(options.allowUnsafeSqlite);
  let database: DatabaseSync | undefined;
  try {
    makePrivateFile(path);
    assertOneName(path);
    warnOfNetwork(path);
    database = new DatabaseSync(path, {
      timeout: OPEN_PATIENCE_MS,
      enableForeignKeyConstraints: false,
    });
    check(database, options);
    configure(database);
    migrate(database, path);
    // From now on group.ts waits for other processes, because SQLite's own busy handler sleeps a millisecond and more.
    database.exec("PRAGMA busy_timeout = 0");
    return database;
  } catch (error) {
    const close = (): void => database?.close();
    if (isDamage(error)) throw damaged(path, error, close);
    close();
    throw storeError(error, path);
  }
}

function check(database: DatabaseSync, { path, check }: StoreOptions): void {
  const kind = check === "auto" ? (statSync(path).size > CHECKED_BYTES ? "off" : "quick") : check;
  if (kind === "off") return;
  const problems = integrityProblems(database, kind);
  if (problems.length > 0)
    throw newelError("NEWEL_E_JOBS_DAMAGED", { path, why: problems.join("; "), copy: "" });
}

/** The damage that SQLite finds in the file. */
export function integrityProblems(database: DatabaseSync, kind: "quick" | "full"): string[] {
  const rows = database.prepare(`PRAGMA ${kind === "full" ? "integrity" : "quick"}_check(5)`).all();
  return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
}

function configure(database: DatabaseSync): void {
  patiently(() => database.exec("PRAGMA journal_mode = WAL"));
  database.exec(`
    -- Commits are synced by wal-sync.ts; SQLite itself syncs WAL and database at a checkpoint.
    PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = 67108864;
    -- SQLite hides the errors of a checkpoint within a commit, and a failed sync has to be known (durability.ts).
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -16000;
    PRAGMA temp_store = MEMORY;
  `);
}

/** Switching to WAL mode needs an exclusive lock on the file, and SQLite does not wait for it. */
function patiently(run: () => void): void {
  const end = performance.now() + OPEN_PATIENCE_MS;
  for (;;) {
    try {
      run();
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const version = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  if (version === MIGRATIONS.length && application === APPLICATION_ID) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have done it in the meantime.
    const done = pragma(database, "user_version");
    refuseStrangers(database, path);
    assertNotNewer(path, done);
    for (const step of MIGRATIONS.slice(done)) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function refuseStrangers(database: DatabaseSync, path: string): void {
  const application = pragma(database, "application_id");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.["count"];
  if (application !== APPLICATION_ID && Number(tables) > 0)
    throw newelError("NEWEL_E_JOBS_FILE", { path, why: "it is a database of something else" });
}

/**
 * Refuses a file whose tables a newer version has changed.
 *
 * @param version - the file's `user_version`
 * @throws NEWEL_E_JOBS_NEWER
 */
export function assertNotNewer(path: string, version: number): void {
  if (version > MIGRATIONS.length)
    throw newelError("NEWEL_E_JOBS_NEWER", { path, theirs: version, ours: MIGRATIONS.length });
}

/** The size of a page in bytes. */
export function pageBytes(database: DatabaseSync): number {
  return pragma(database, "page_size");
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

/** The error of a damaged file. One unchanged copy of the file is kept. */
function damaged(path: string, error: unknown, close: () => void): Error {
  const kept = keepDamagedCopy(path, close);
  const copy = kept === undefined ? "" : `; a copy is kept as ${kept}`;
  return newelError("NEWEL_E_JOBS_DAMAGED", { path, why: messageOf(error), copy }, error);
}
