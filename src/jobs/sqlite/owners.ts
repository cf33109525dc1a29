import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";

import { type FileLock, lockFile, openLockFile, tryLock } from "../../posix/lock.ts";
import { runAlone } from "./group.ts";
import type { QueueRecord } from "./queue-record.ts";
import { recoverOwner } from "./operations/stalled.ts";
import type { Store } from "./store.ts";

interface OwnerRow {
  readonly key: number;
  readonly file: string;
}

/**
 * The processes that have the file open, each known to live by the lock on a file of its own: the system
 * drops it at the instant the process ends, whatever pid namespaces the others are in. The database file
 * itself is never used for that; to close it would drop SQLite's own locks.
 */
export class Owners {
  readonly #store: Store;
  /** Where each has a file of its own. */
  readonly directory: string;
  /** This process's own, open for writing. */
  readonly file: string = `${process.pid}-${randomUUID()}`;
  readonly fd: number;
  readonly #lock: FileLock | undefined;
  /** The files of the others, by their keys, open to try their locks. */
  readonly #others = new Map<number, { readonly path: string; readonly fd: number }>();
  /** The version of the database that named these. */
  #seen: number | undefined;

  /** Takes part as a process of its own. */
  constructor(store: Store, databasePath: string) {
    this.#store = store;
    this.directory = `${databasePath}-owners`;
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    // First the lock, then the row: whoever reads the row finds the lock held.
    if (canLock()) this.#lock = lockFile(join(this.directory, this.file));
    this.fd = this.#lock?.fd ?? openSync(join(this.directory, this.file), "w", 0o600);
    try {
      store.owner = runAlone(store, () =>
        store.insert(
          "INSERT INTO owner (file, pid, since) VALUES (?, ?, ?)",
          this.file,
          process.pid,
          store.now,
        ),
      );
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Puts back the jobs of processes that ended without a word. @returns them, by queue */
  recover(): Map<QueueRecord, string[]> {
    const recovered = new Map<QueueRecord, string[]>();
    if (!canLock()) return recovered;
    const version = this.#store.version();
    if (version !== this.#seen) this.#findOthers();
    this.#seen = version;
    for (const [key, { path, fd }] of this.#others) {
      if (!tryLock(fd, path)) continue;
      try {
        const some = runAlone(this.#store, () => {
          const jobs = recoverOwner(this.#store, key);
          this.#forget(key);
          return jobs;
        });
        for (const [queue, ids] of some) recovered.set(queue, ids);
        rmSync(path, { force: true });
      } finally {
        this.#drop(key, fd);
      }
    }
    return recovered;
  }

  #findOthers(): void {
    const rows = this.#store.all<OwnerRow>(
      "SELECT key, file FROM owner WHERE key <> ?",
      this.#store.owner,
    );
    for (const [key, { fd }] of this.#others)
      if (!rows.some((row) => row.key === key)) this.#drop(key, fd);
    for (const { key, file } of rows) {
      const path = join(this.directory, file);
      if (!this.#others.has(key)) this.#others.set(key, { path, fd: openLockFile(path) });
    }
  }

  #drop(key: number, fd: number): void {
    this.#others.delete(key);
    // If the lock was had, this releases it.
    closeSync(fd);
    this.#seen = undefined;
  }

  #forget(key: number): void {
    this.#store.run("DELETE FROM owner WHERE key = ?", key);
    this.#store.run("DELETE FROM client WHERE owner = ?", key);
  }

  /** Leaves; jobs it still has stay locked until their locks end, as BullMQ has it. */
  leave(): void {
    try {
      runAlone(this.#store, () => this.#forget(this.#store.owner));
    } finally {
      this.abandon();
    }
  }

  /** Lets go without touching the file, which is broken or gone. */
  abandon(): void {
    for (const [key, { fd }] of this.#others) this.#drop(key, fd);
    rmSync(join(this.directory, this.file), { force: true });
    if (this.#lock === undefined) closeSync(this.fd);
    else this.#lock.release();
  }
}

/** flock is called as Linux has it; elsewhere a dead process is noticed when its locks end. */
function canLock(): boolean {
  return process.platform === "linux";
}
