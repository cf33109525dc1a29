import { randomUUID } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  fdatasyncSync,
  fstatSync,
  linkSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

import { newelError } from "../../base/errors.ts";
import { lockFile } from "../../posix/lock.ts";
import { makeDirectory } from "../../base/make-directory.ts";
import { isBadStatement } from "./database-errors.ts";
import { runAlone } from "./group.ts";
import type { Store } from "./store.ts";

/** The record of `jobs.db-owners/pair.json`: the database that a WAL belongs to. */
interface Pair {
  /** The identity of the record file itself: in a copy of the whole directory it differs, and the record is ignored. */
  readonly self: string;
  readonly database: string;
  readonly wal: string;
  /** The session written into the database file when this WAL was begun; `null` when it was not written. */
  readonly session: string | null;
}

/**
 * Keeps the WAL of one file from being applied to another. A backup that is moved or copied over `jobs.db` while
 * the old `jobs.db-wal` is next to it would be damaged, or silently become the old content ("How To Corrupt
 * An SQLite Database File", 1.4), because nothing in the two files names the other.
 *
 * So each new WAL gets a record of both identities (inode and time of birth) and its own session, which is
 * written into the database file. When the file is opened, the WAL of the record is set aside if the
 * database is another file (moved over it), or the database file has another session (copied over it).
 * Without a record, or with one of another WAL, SQLite's rule holds: the WAL is applied.
 *
 * All of it happens under a lock (flock), so processes that start together agree.
 */
export class WalPair {
  readonly #path: string;
  readonly #directory: string;
  readonly #record: string;

  constructor(path: string) {
    this.#path = path;
    this.#directory = `${path}-owners`;
    this.#record = join(this.#directory, "pair.json");
  }

  /** Before the file is opened: sets aside a WAL that belongs to another file. */
  check(): void {
    if (process.platform !== "linux" || statSync(this.#record, OPTIONAL) === undefined) return;
    this.#locked(() => {
      if (!this.#isForeign()) return;
      const kept = `${this.#path}-wal.replaced-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
      renameSync(`${this.#path}-wal`, kept);
      rmSync(`${this.#path}-shm`, { force: true });
      rmSync(this.#record);
      const error = newelError("NEWEL_E_JOBS_REPLACED", { path: this.#path, kept });
      process.emitWarning(error.message, { code: error.code, detail: error.fix });
    });
  }

  #isForeign(): boolean {
    const wal = statSync(`${this.#path}-wal`, OPTIONAL);
    const database = statSync(this.#path, OPTIONAL);
    const pair = this.#read();
    if (wal === undefined || wal.size === 0n || database === undefined || pair === undefined)
      return false;
    if (pair.wal !== identity(wal)) return false;
    if (pair.database !== identity(database)) return true;
    return pair.session !== null && this.#sessionInFile(pair.session) !== pair.session;
  }

  /** The session of the database file without its WAL. */
  #sessionInFile(otherwise: string): string | undefined {
    const url = pathToFileURL(this.#path);
    url.search = "?immutable=1";
    try {
      const database = new DatabaseSync(url, { readOnly: true });
      try {
        const row = database.prepare("SELECT session FROM system").get();
        return typeof row?.["session"] === "string" ? row["session"] : undefined;
      } finally {
        database.close();
      }
    } catch (error) {
      // Tables of an older version have no session. A file that cannot be read may be half a checkpoint of this WAL.
      return isBadStatement(error) ? undefined : otherwise;
    }
  }

  /**
   * Replaces the database by another file; the former database is kept with its WAL.
   *
   * @returns the path of the former database; `undefined` when there was none
   */
  replace(by: string): string | undefined {
    let kept: string | undefined;
    this.#locked(() => {
      const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
      const wal = `${this.#path}-wal`;
      if (statSync(this.#path, OPTIONAL) !== undefined) {
        kept = `${this.#path}.replaced-${time}`;
        linkSync(this.#path, kept);
      }
      renameSync(by, this.#path);
      if (statSync(wal, OPTIONAL) !== undefined)
        renameSync(wal, `${this.#path}.replaced-${time}-wal`);
      rmSync(`${this.#path}-shm`, { force: true });
      rmSync(this.#record, { force: true });
    });
    return kept;
  }

  /** Begins a session if the WAL is a new one. Call it after the file was opened and written to. */
  begin(store: Store): void {
    if (process.platform !== "linux") return;
    this.#locked(() => {
      const database = statSync(this.#path, { bigint: true });
      const wal = statSync(`${this.#path}-wal`, { bigint: true });
      const pair = this.#read();
      if (pair?.wal === identity(wal) && pair.database === identity(database)) return;
      const session = randomUUID();
      runAlone(store, () => store.run("UPDATE system SET session = ?", session));
      this.#write(database, wal, isInFile(store) ? session : null);
    });
  }

  /**
   * Removes the record before VACUUM moves all pages, because half of that in the file would look like another
   * session.
   */
  forgetSession(): void {
    if (process.platform !== "linux") return;
    this.#locked(() => {
      const pair = this.#read();
      if (pair === undefined) return;
      const database = statSync(this.#path, { bigint: true });
      const wal = statSync(`${this.#path}-wal`, { bigint: true });
      this.#write(database, wal, null);
    });
  }

  #read(): Pair | undefined {
    try {
      const pair: unknown = JSON.parse(readFileSync(this.#record, "utf8"));
      if (!isPair(pair)) return undefined;
      return pair.self === identity(statSync(this.#record, { bigint: true })) ? pair : undefined;
    } catch {
      // A record that is missing, or truncated by a power cut, is ignored.
      return undefined;
    }
  }

  #write(database: BigIntStats, wal: BigIntStats, session: string | null): void {
    const fd = openSync(this.#record, "a", 0o600);
    try {
      const pair: Pair = {
        self: identity(fstatSync(fd, { bigint: true })),
        database: identity(database),
        wal: identity(wal),
        session,
      };
      ftruncateSync(fd);
      writeSync(fd, JSON.stringify(pair));
      // A record of a session that the next VACUUM takes from the file would make the WAL a stranger after a power cut.
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  #locked(run: () => void): void {
    if (process.platform !== "linux") {
      run();
      return;
    }
    makeDirectory(this.#directory, 0o700);
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const lock = lockFile(join(this.#directory, "pair.lock"));
      if (lock === undefined) {
        if (performance.now() > end)
          throw newelError("NEWEL_E_JOBS_BUSY", { seconds: PATIENCE_MS / 1_000 });
        pause();
        continue;
      }
      try {
        run();
      } finally {
        lock.release();
      }
      return;
    }
  }
}

/**
 * Brings what was committed into the database file, and syncs the file: a session of the record that a power cut takes
 * from the database file would make the WAL a stranger. Other processes that start write at the same time.
 */
function isInFile(store: Store): boolean {
  for (let tries = 0; tries < CHECKPOINT_TRIES; tries += 1) {
    if (store.checkpointAndSync()) return true;
    pause();
  }
  return false;
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

const CHECKPOINT_TRIES = 25;
const PATIENCE_MS = 60_000;
const OPTIONAL = { bigint: true, throwIfNoEntry: false } as const;

function identity({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino}-${birthtimeNs}`;
}

function isPair(value: unknown): value is Pair {
  if (typeof value !== "object" || value === null) return false;
  const { self, database, wal, session } = value as Record<string, unknown>;
  return (
    typeof self === "string" &&
    typeof database === "string" &&
    typeof wal === "string" &&
    (session === null || typeof session === "string")
  );
}
