import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeDirectory } from "../../base/make-directory.ts";
import { isDamage } from "./database-errors.ts";

const OPTIONAL = { throwIfNoEntry: false } as const;

/** Identifies one damage of one file: its inode, size and time of change. */
function fingerprint(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;

/**
 * Bounds how often a damaged file is opened, because each try reads all of it. A worker asks four times a second; as
 * long as the file is the same it gets the same error, for 1 s, then 2 s and so on to 30 s.
 */
export class DamageBackoff {
  readonly #path: string;
  #seen: { readonly error: unknown; readonly print: string | undefined } | undefined;
  #restMs = FIRST_REST_MS;
  #until = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Opens the file, or throws the error of the last try when the file is the same and the delay is not over. */
  open<T>(open: () => T): T {
    this.#assert();
    try {
      const opened = open();
      this.#clear();
      return opened;
    } catch (error) {
      if (isDamage(error)) this.#note(error);
      throw error;
    }
  }

  #assert(): void {
    if (this.#seen === undefined) return;
    if (this.#seen.print === fingerprint(this.#path)) {
      if (performance.now() < this.#until) throw this.#seen.error;
    } else this.#clear();
  }

  #note(error: unknown): void {
    this.#seen = { error, print: fingerprint(this.#path) };
    this.#until = performance.now() + this.#restMs;
    this.#restMs = Math.min(this.#restMs * 2, LONGEST_REST_MS);
  }

  /** The file was opened, or is another one. */
  #clear(): void {
    this.#seen = undefined;
    this.#restMs = FIRST_REST_MS;
  }
}

/**
 * Copies a damaged file and its WAL as they are, once for each damage: the names of the copies are kept in
 * the directory of the owners, for other processes and later starts.
 *
 * @param close - closes the file. SQLite may change it then (a checkpoint), and the changed file is the
 *   same damage.
 * @returns the path of the copy; `undefined` when there is none
 */
export function keepDamagedCopy(path: string, close: () => void): string | undefined {
  const before = fingerprint(path);
  const known = before === undefined ? undefined : readCopies(path)[before];
  const copy = known !== undefined && existsSync(known) ? known : copyFiles(path);
  close();
  if (copy !== undefined) noteCopy(path, copy, [before, fingerprint(path)]);
  return copy;
}

function copyFiles(path: string): string | undefined {
  const copy = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  // With another program (cp): opening and closing the file in this process would drop the POSIX locks that other
  // connections of this process hold on it (fcntl(2); "How To Corrupt An SQLite Database File", 2.2).
  const kept = ["", "-wal"]
    .filter((part) => part === "" || (statSync(path + part, OPTIONAL)?.size ?? 0) > 0)
    .every((part) => spawnSync("cp", ["--", path + part, copy + part]).status === 0);
  return kept ? copy : undefined;
}

function listPath(path: string): string {
  return join(`${path}-owners`, "damaged.json");
}

function readCopies(path: string): Record<string, string> {
  try {
    const list: unknown = JSON.parse(readFileSync(listPath(path), "utf8"));
    if (typeof list !== "object" || list === null) return {};
    return Object.fromEntries(
      Object.entries(list).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    );
  } catch {
    // No damage was seen before, or the list is damaged too: one more copy is made.
    return {};
  }
}

function noteCopy(path: string, copy: string, fingerprints: readonly (string | undefined)[]): void {
  const list = readCopies(path);
  for (const print of fingerprints) if (print !== undefined) list[print] = copy;
  try {
    makeDirectory(`${path}-owners`, 0o700);
    writeFileSync(listPath(path), JSON.stringify(list), { mode: 0o600 });
  } catch {
    // The copy exists; if the disk has no room for its record, a restart may make another copy.
  }
}
