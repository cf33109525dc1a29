import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { systemCode } from "../../base/errors.ts";
import { makeDirectory } from "../../base/make-directory.ts";

/** The file whose frames or pages are possibly not on disk. */
export type UnsafePart = "wal" | "database";

/**
 * Marks for all processes that a write or a sync of the store failed: files of `jobs.db-owners/unsafe/`, a
 * directory that exists only as long as there is a mark. They are state shared by processes and need
 * not survive a power cut. Each failure has its own mark, so that a failure during the repair of
 * another one is not removed with it.
 */
export class UnsafeMarks {
  readonly #directory: string;

  constructor(ownersDirectory: string) {
    this.#directory = join(ownersDirectory, "unsafe");
  }

  /** Whether there is a mark: one system call. */
  get any(): boolean {
    return existsSync(this.#directory);
  }

  add(part: UnsafePart): void {
    try {
      makeDirectory(this.#directory, 0o700);
      writeFileSync(join(this.#directory, `${part}-${randomUUID()}`), "", { mode: 0o600 });
    } catch {
      // The disk refuses the mark too. This process knows of the failure; others get the error from their own next
      // sync,
      // since Linux reports it once to each open file (fsync(2), since 4.13).
    }
  }

  list(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  remove(names: readonly string[]): void {
    for (const name of names) rmSync(join(this.#directory, name), { force: true });
    try {
      rmdirSync(this.#directory);
    } catch (error) {
      const code = systemCode(error);
      if (code !== "ENOENT" && code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    }
  }
}
