import { type FSWatcher, watch } from "node:fs";

/** After the file changed, its content is readable a little later: when to look again. */
const LOOKS_MS = [1, 1, 1, 2, 2, 4, 4, 8, 16, 32] as const;
/** Before that, for a moment, much more often: most changes are readable by then. */
const SPINS = 16;
const SPIN_MS = 0.05;
/** What changed so soon after a write of one's own is that write. */
const OWN_WRITE_MS = 1;
/** Without anybody who waits the watch goes on for so long. */
const REST_MS = 1_000;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** What the watch asks and tells. */
export interface Watched {
  /** Whether anybody waits for a change. */
  awaited(): boolean;
  /** Whether another process's change is readable. */
  changed(): boolean;
  onChange(): void;
  /** Does what was asked meanwhile. @returns whether there was something */
  serve(): boolean;
}

/** The file of the log of writes changes with each transaction of any process: a hint to look. */
export class LogWatch {
  readonly #watched: Watched;
  #watcher: FSWatcher | undefined;
  #looks: NodeJS.Timeout | undefined;
  #restedMs = 0;
  #wroteAt = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** Somebody waits, so watch from now on. */
  begin(databasePath: string): void {
    this.#restedMs = 0;
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(`${databasePath}-wal`, { persistent: false }, () => this.#hint());
      // Without a watch the poll finds all, later.
      this.#watcher.on("error", () => this.end());
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Nobody waited for so long: one who only works does not need to hear of each of its own writes. */
  rest(ms: number): void {
    this.#restedMs += ms;
    if (this.#restedMs > REST_MS) this.end();
  }

  end(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#looks);
    this.#looks = undefined;
  }

  /** This process itself changed the file. */
  wrote(): void {
    this.#wroteAt = performance.now();
  }

  /** Looks again and again for a moment: the change is announced before it can be read. */
  #hint(): void {
    clearTimeout(this.#looks);
    this.#looks = undefined;
    const isOwn = performance.now() - this.#wroteAt < OWN_WRITE_MS;
    const spins = isOwn || !this.#watched.awaited() ? 0 : SPINS;
    for (let spin = 0; !this.#tellChange() && spin < spins; spin += 1) {
      Atomics.wait(sleeper, 0, 0, SPIN_MS);
      if (this.#watched.serve()) break;
    }
    // Also when one was found, or nobody waits yet: another one may be on its way, with no hint to come.
    this.#lookLater(0);
  }

  #tellChange(): boolean {
    if (!this.#watched.awaited() || !this.#watched.changed()) return false;
    this.#watched.onChange();
    return true;
  }

  #lookLater(step: number): void {
    const inMs = LOOKS_MS[step];
    if (inMs === undefined) return;
    this.#looks = setTimeout(() => {
      this.#looks = undefined;
      this.#tellChange();
      this.#lookLater(step + 1);
    }, inMs);
  }
}
