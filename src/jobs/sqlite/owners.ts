import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

import { type FileLock, lockFile, openLockFile, tryLock } from "../../posix/lock.ts";
import { makeDirectory } from "../../base/make-directory.ts";
import { adaptToBoot } from "./boot.ts";
import { runAlone } from "./group.ts";
import { lockTime } from "./lock-clock.ts";
import type { QueueRecord } from "./queue-record.ts";
import { recoverOwner } from "./operations/stalled.ts";
import type { Store } from "./store.ts";

interface OwnerRow {
  readonly key: number;
  readonly file: string;
}

/**
 * The processes that have the file open. A flock on its own file shows that a process is alive: the system
 * drops the lock at the instant the process ends, independent of pid namespaces. The database file
 * itself is never used for that, because closing it would drop SQLite's own locks.
 */
export class Owners {
  readonly #store: Store;
  /** The directory of the processes' files. */
  readonly directory: string;
  /** This process's own file, open for writing. */
  readonly file: string = `${process.pid}-${randomUUID()}`;
  readonly fd: number;
  readonly #lock: FileLock | undefined;
  /** The files of the other processes, by their keys, open to try their locks. */
  readonly #others = new Map<number, { readonly path: string; readonly fd: number }>();
  /** The number of owners found that ended without closing the file. */
  lost = 0;
  /** The data version of the database at which these owners were read. */
  #seen: number | undefined;

  /** Registers this process as an owner. */
  constructor(store: Store, databasePath: string) {
    this.#store = store;
    this.directory = `${databasePath}-owners`;
    makeDirectory(this.directory, 0o700);
    // First the lock, then the row, so that a process that reads the row finds the lock held.
    if (canLock()) this.#lock = lockFile(join(this.directory, this.file));
    this.fd = this.#lock?.fd ?? openSync(join(this.directory, this.file), "w", 0o600);
    try {
      store.owner = runAlone(store, () => {
        adaptToBoot(store);
        return store.insert(
          "INSERT INTO owner (file, pid, since) VALUES (?, ?, ?)",
          this.file,
          process.pid,
          store.now,
        );
      });
      store.onBlocked = () => this.#sayBlocked();
      store.isBlocked = (key) => this.#saidBlocked(key);
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Requeues the jobs of processes that died. @returns them, by queue */
  recover(): Map<QueueRecord, string[]> {
    const recovered = new Map<QueueRecord, string[]>();
    if (!canLock()) return recovered;
    const version = this.#store.version();
    if (version !== this.#seen) this.#findOthers();
    this.#seen = version;
    for (const [key, { path, fd }] of this.#others) {
      if (!tryLock(fd, path)) continue;
      this.lost += 1;
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

  /** The time at which this process last waited for the write lock, stored after the byte of the doorbell. */
  #sayBlocked(): void {
    const word = Buffer.alloc(8);
    word.writeDoubleLE(lockTime());
    writeSync(this.fd, word, 0, word.length, BLOCKED_AT);
  }

  #saidBlocked(key: number): boolean {
    const other = this.#others.get(key);
    if (other === undefined) return false;
    const word = Buffer.alloc(8);
    if (readSync(other.fd, word, 0, word.length, BLOCKED_AT) < word.length) return false;
    return Math.abs(lockTime() - word.readDoubleLE()) < BLOCKED_FRESH_MS;
  }

  /** Whether another process had the file open at the last {@link recover}. */
  get hasOthers(): boolean {
    return this.#others.size > 0;
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
    // If the lock was acquired, closing releases it.
    closeSync(fd);
    this.#seen = undefined;
  }

  #forget(key: number): void {
    this.#store.run("DELETE FROM owner WHERE key = ?", key);
    this.#store.run("DELETE FROM client WHERE owner = ?", key);
  }

  /** Unregisters this process. Jobs that it still has stay locked until their locks expire, as in BullMQ. */
  leave(): void {
    try {
      runAlone(this.#store, () => this.#forget(this.#store.owner));
    } finally {
      this.abandon();
    }
  }

  /** Closes the descriptors without touching the database, which is damaged or missing. */
  abandon(): void {
    for (const [key, { fd }] of this.#others) this.#drop(key, fd);
    rmSync(join(this.directory, this.file), { force: true });
    if (this.#lock === undefined) closeSync(this.fd);
    else this.#lock.release();
  }
}

/** Where an owner's file has the time at which it waited for the write lock, and how long that time counts, in milliseconds. */
const BLOCKED_AT = 8;
const BLOCKED_FRESH_MS = 5_000;

/** flock is called as on Linux; elsewhere a dead process is noticed when its locks expire. */
function canLock(): boolean {
  return process.platform === "linux";
}
