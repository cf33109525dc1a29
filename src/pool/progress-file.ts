import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  PROGRESS_BYTES,
  progressOf,
  UNKNOWN_PROGRESS,
  WORKER_BYTES,
  type Progress,
  type ProgressRecord,
} from "./progress.ts";

/**
 * A directory in memory, if there is one: the record is written often and must not reach a disk.
 */
const DIRECTORIES = process.platform === "linux" ? ["/dev/shm", tmpdir()] : [tmpdir()];

/** The progress record of a worker process: an unlinked file. */
export class ProgressFile implements ProgressRecord {
  /** The descriptor, for the worker to inherit. */
  readonly fd: number;
  #isClosed = false;
  readonly #words = new Uint32Array(PROGRESS_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Returns `undefined` if no file can be made: the pool then knows less about a blocked worker.
   */
  static create(): ProgressFile | undefined {
    for (const directory of DIRECTORIES) {
      const path = join(directory, `newel-${process.pid}-${randomBytes(6).toString("hex")}`);
      try {
        const fd = openSync(path, "wx+", 0o600);
        unlinkSync(path);
        const file = new ProgressFile(fd);
        // All of its space: a file system that fills up later does not affect it.
        if (file.#write(0)) return file;
        file.close();
      } catch {
        // A full or read-only file system, or too many open files: try the next directory.
        continue;
      }
    }
    return undefined;
  }

  read(told: number): Progress {
    if (this.#isClosed) return UNKNOWN_PROGRESS;
    try {
      const bytes = readSync(this.fd, this.#bytes, 0, WORKER_BYTES, 0);
      return bytes < WORKER_BYTES ? UNKNOWN_PROGRESS : progressOf(this.#words[0] ?? 0, told);
    } catch {
      // An unreadable record counts as one that was never written.
      return UNKNOWN_PROGRESS;
    }
  }

  takeBack(after: number, upTo: number): void {
    if (this.#isClosed) return;
    this.#words[1] = after;
    this.#words[2] = upTo;
    // From a record that is no longer known no task is taken.
    if (!this.#write(WORKER_BYTES)) this.close();
  }

  /** Writes the words from this position on; returns whether it could. */
  #write(at: number): boolean {
    try {
      return writeSync(this.fd, this.#bytes, at, PROGRESS_BYTES - at, at) === PROGRESS_BYTES - at;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.fd);
  }
}
