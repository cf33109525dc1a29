import type { ResolvedWatch } from "../config/resolved.ts";
import { Changes } from "./changes.ts";
import { ignoreRules } from "./ignored.ts";
import { OwnWrites } from "./own-writes.ts";
import { TreeWatcher } from "./tree-watcher.ts";
import { watchRoot } from "./watch-paths.ts";

/** The receiver of the changes of one service. */
export interface ServiceWatchOptions extends ResolvedWatch {
  /**
   * Restarts the service because of these files, which are absolute; changes that come before the promise settles
   * are passed on after it.
   */
  readonly restart: (files: readonly string[]) => Promise<void>;
  /** Called when a file changes while `restart` runs. */
  readonly interrupted?: () => void;
  /** Called once with a file that the program writes by itself, which is watched no more. */
  readonly leftOut: (file: string) => void;
  /** Called when a directory cannot be watched. */
  readonly failed: (error: Error) => void;
}

/** Watches the files of one service, and restarts it after each change, one restart at a time. */
export class ServiceWatch {
  readonly #options: ServiceWatchOptions;
  readonly #ownWrites: OwnWrites;
  readonly #changes: Changes;
  readonly #watchers: readonly TreeWatcher[];
  #pending: readonly string[] = [];
  #isRestarting = false;
  #isClosed = false;
  #hasFailed = false;

  constructor(options: ServiceWatchOptions) {
    const { paths, ignore, base, programs, debounceMs } = options;
    this.#options = options;
    this.#ownWrites = new OwnWrites(options.leftOut);
    this.#changes = new Changes(debounceMs, (files) => this.#settled(files));
    this.#watchers = paths
      .map((path) => watchRoot(path, base))
      .map(
        (root) =>
          new TreeWatcher({
            ...root,
            isIgnored: ignoreRules({ root: root.directory, patterns: ignore, base, programs }),
            changed: (file) => this.#changed(file),
            failed: (error) => this.#failed(error),
          }),
      );
  }

  /** How many directories are watched. */
  get size(): number {
    return this.#watchers.reduce((sum, { size }) => sum + size, 0);
  }

  close(): void {
    this.#isClosed = true;
    this.#changes.close();
    for (const watcher of this.#watchers) watcher.close();
  }

  #changed(file: string): void {
    if (!this.#ownWrites.leavesOut(file, performance.now())) this.#changes.add(file);
  }

  /** A limit concerns every further directory: it is reported once. */
  #failed(error: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.failed(error);
  }

  #settled(files: readonly string[]): void {
    if (this.#isClosed) return;
    this.#pending = [...new Set([...this.#pending, ...files])];
    if (this.#isRestarting) this.#options.interrupted?.();
    else void this.#restart();
  }

  async #restart(): Promise<void> {
    this.#isRestarting = true;
    while (this.#pending.length > 0 && !this.#isClosed) {
      const files = this.#pending;
      this.#pending = [];
      this.#ownWrites.began(files);
      await this.#options.restart(files);
      this.#ownWrites.ended(performance.now());
    }
    this.#isRestarting = false;
  }
}
