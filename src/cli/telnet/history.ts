import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { systemCode } from "../../base/errors.ts";
import type { Home } from "../../base/home.ts";

/** How many lines are remembered. */
const LINES_LIMIT = 1_000;
/** A line with variables of a process may contain secrets, so it is not stored. */
const SECRET = /\benv\.|"env"/;

/** The lines a person typed, kept in the home from one time to the next. */
export class History {
  readonly #file: string;

  constructor(home: Home) {
    this.#file = join(home.directory, "telnet.history");
  }

  /** The newest first, as readline has them. */
  load(): string[] {
    const lines = this.#read();
    const kept = lines.slice(-LINES_LIMIT);
    if (lines.length > 2 * LINES_LIMIT)
      writeFileSync(this.#file, `${kept.join("\n")}\n`, { mode: 0o600 });
    return kept.reverse();
  }

  /** Keeps a line, unless it begins with a space or may have secrets. */
  add(line: string): void {
    if (line.trim() === "" || line.startsWith(" ") || SECRET.test(line)) return;
    appendFileSync(this.#file, `${line}\n`, { mode: 0o600 });
  }

  #read(): string[] {
    try {
      return readFileSync(this.#file, "utf8")
        .split("\n")
        .filter((line) => line !== "");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    }
  }
}
