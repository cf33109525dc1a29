import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROGRESS_BYTES, progressOf, UNKNOWN_PROGRESS, type Progress } from "./progress.ts";

/**
 * A directory in memory, if there is one: the record is written often and must not reach a disk.
 */
const DIRECTORIES = process.platform === "linux" ? ["/dev/shm", tmpdir()] : [tmpdir()];

/** The progress record of a worker process: an unlinked file. */
export class ProgressFile {
  /** The descriptor, for the worker to inherit. */
  readonly fd: number;
  #isClosed = false;
  readonly #words = new Uint32Array(2);
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
        return new ProgressFile(fd);
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
      // Reads until two reads agree: the worker may be writing.
      for (let tries = 0; tries < 3; tries += 1) {
        if (this.#readWords() < PROGRESS_BYTES) return UNKNOWN_PROGRESS;
        const [taken = 0, state = 0] = this.#words;
        this.#readWords();
        if (this.#words[0] === taken && this.#words[1] === state)
          return progressOf(taken, state, told);
      }
    } catch {
      // An unreadable record counts as one that was never written.
      return UNKNOWN_PROGRESS;
    }
    return UNKNOWN_PROGRESS;
  }

  #readWords(): number {
    return readSync(this.fd, this.#bytes, 0, PROGRESS_BYTES, 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.fd);
  }
}
