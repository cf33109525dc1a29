/** How long after a restart a change may still be the work of the program that was restarted, in milliseconds. */
const SOON_MS = 2_000;
/** So many restarts in a row by such changes of one file, and the file counts as written by the program. */
const TIMES = 3;

/** Files that a program does not write when it starts: its sources and settings. */
const SOURCES =
  /\.(?:[cm]?[jt]sx?|py|rb|go|rs|php|pl|lua|java|kt|cs|exs?|sh|vue|svelte)$|(?:^|\/)\.env(?:\.[^/]*)?$/;

/**
 * Prevents an endless loop of restarts: a program that writes a data file below its watched directory each time it
 * starts. A file that is no source is left out after three restarts in a row, each by a change of it that came
 * during the restart before, or within two seconds after that one.
 */
export class OwnWrites {
  readonly #leftOut: (file: string) => void;
  readonly #counts = new Map<string, number>();
  readonly #ignored = new Set<string>();
  /** Files of the last restart that have changed again soon after it began. */
  readonly #soon = new Set<string>();
  #cause: ReadonlySet<string> = new Set();
  /** The end of the last restart; Infinity while it is under way. */
  #endedMs = -Infinity;

  /** @param leftOut - called with a file when it begins to be left out */
  constructor(leftOut: (file: string) => void) {
    this.#leftOut = leftOut;
  }

  /** A restart because of these files begins. */
  began(files: readonly string[]): void {
    for (const file of this.#counts.keys()) if (!files.includes(file)) this.#counts.delete(file);
    for (const file of files) this.#count(file);
    this.#cause = new Set(files);
    this.#soon.clear();
    this.#endedMs = Infinity;
  }

  ended(nowMs: number): void {
    this.#endedMs = nowMs;
  }

  /** Whether a change of a file that was seen now causes no restart. */
  leavesOut(file: string, nowMs: number): boolean {
    if (this.#ignored.has(file)) return true;
    const isSoon = this.#cause.has(file) && nowMs - this.#endedMs < SOON_MS;
    if (isSoon && !SOURCES.test(file)) this.#soon.add(file);
    return false;
  }

  #count(file: string): void {
    const count = this.#soon.has(file) ? (this.#counts.get(file) ?? 0) + 1 : 0;
    this.#counts.set(file, count);
    if (count < TIMES || this.#ignored.has(file)) return;
    this.#ignored.add(file);
    this.#leftOut(file);
  }
}
