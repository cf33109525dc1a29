import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { newelError } from "../../base/errors.ts";
import type { StoreOptions } from "./connection.ts";
import { isBusy, isDamage, storeError } from "./database-errors.ts";
import { MIGRATIONS } from "./schema.ts";

/** `newel jobs` in the header of the file: what `file` shows, and what tells it from another database. */
const APPLICATION_ID = 0x6e_77_6a_31;
/** A larger file is not read whole each time a process starts. */
const CHECKED_BYTES = 256_000_000;
/** What other processes' openings and closings may keep locked, milliseconds. */
const OPEN_PATIENCE_MS = 10_000;

/**
 * Opens a file of jobs, makes it when it is not there, checks it and brings its tables up to date.
 *
 * @throws NEWEL_E_JOBS_FILE, NEWEL_E_JOBS_DAMAGED, NEWEL_E_JOBS_NEWER
 */
export function openDatabase(options: StoreOptions): DatabaseSync {
  const { path } = options;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, {
      timeout: OPEN_PATIENCE_MS,
      enableForeignKeyConstraints: false,
    });
    check(database, options);
    configure(database);
    migrate(database, path);
    // From now on group.ts waits for other processes: SQLite itself would sleep a millisecond and more.
    database.exec("PRAGMA busy_timeout = 0");
    return database;
  } catch (error) {
    database?.close();
    if (isDamage(error)) throw damaged(path, error);
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

/** What SQLite finds wrong with the file. */
export function integrityProblems(database: DatabaseSync, kind: "quick" | "full"): string[] {
  const rows = database.prepare(`PRAGMA ${kind === "full" ? "integrity" : "quick"}_check(5)`).all();
  return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
}

function configure(database: DatabaseSync): void {
  patiently(() => database.exec("PRAGMA journal_mode = WAL"));
  database.exec(`
    -- Commits are taken to disk by log-sync.ts; SQLite itself syncs before and after it moves the log.
    PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA wal_autocheckpoint = 6000;
    PRAGMA cache_size = -16000;
    PRAGMA temp_store = MEMORY;
  `);
}

/** Changing to WAL needs the file for oneself, and does not wait for it by itself. */
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
    // Another process may have done it meanwhile.
    const done = pragma(database, "user_version");
    refuseStrangers(database, path, done);
    for (const step of MIGRATIONS.slice(done)) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function refuseStrangers(database: DatabaseSync, path: string, version: number): void {
  const application = pragma(database, "application_id");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.["count"];
  if (application !== APPLICATION_ID && Number(tables) > 0)
    throw newelError("NEWEL_E_JOBS_FILE", { path, why: "it is a database of something else" });
  if (version > MIGRATIONS.length)
    throw newelError("NEWEL_E_JOBS_NEWER", { path, theirs: version, ours: MIGRATIONS.length });
}

/** How long a page is. */
export function pageBytes(database: DatabaseSync): number {
  return pragma(database, "page_size");
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

/** Keeps what is left of a damaged file, as it is, for whoever repairs it. */
function damaged(path: string, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error);
  const copy = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  // By a program of its own: to open and close the file here would drop the locks that other connections
  // of this process hold on it.
  const kept = ["", "-wal"]
    .filter((part) => existsSync(path + part))
    .every((part) => spawnSync("cp", ["--", path + part, copy + part]).status === 0);
  return newelError(
    "NEWEL_E_JOBS_DAMAGED",
    { path, why, copy: kept ? `; a copy is kept as ${copy}` : "" },
    error,
  );
}

/** Whether the file at the path is still the one that was opened. */
export class SameFile {
  readonly #path: string;
  readonly #device: number;
  readonly #inode: number;

  constructor(path: string) {
    const { dev, ino } = statSync(path);
    this.#path = path;
    this.#device = dev;
    this.#inode = ino;
  }

  /**
   * SQLite goes on writing to a file that was deleted, and all of it is lost.
   *
   * @throws NEWEL_E_JOBS_GONE
   */
  assert(): void {
    const now = statSync(this.#path, { throwIfNoEntry: false });
    if (now?.ino !== this.#inode || now.dev !== this.#device)
      throw newelError("NEWEL_E_JOBS_GONE", { path: this.#path });
  }
}
