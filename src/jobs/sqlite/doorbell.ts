import { type FSWatcher, watch, writeSync } from "node:fs";

/** Without anybody who waits one listens for so long. */
const REST_MS = 1_000;
const BYTE = Buffer.from("!");

/**
 * Tells other processes that something was committed. Each has a file of its own in a directory; it writes a
 * byte into it, and whoever waits watches that directory. The log of SQLite changes with each commit too,
 * and needs no byte; but it does so before the commit can be read, a dozen times for each, and those who
 * were woken for nothing slow down the one who still writes.
 */
export class Doorbell {
  readonly #directory: string;
  readonly #file: string;
  readonly #fd: number;
  readonly #heard: () => void;
  #watcher: FSWatcher | undefined;
  #restedMs = 0;

  /**
   * @param directory - where all have their files
   * @param file - this process's own
   * @param fd - that file, open for writing
   * @param heard - called when another process rang
   */
  constructor(directory: string, file: string, fd: number, heard: () => void) {
    this.#directory = directory;
    this.#file = file;
    this.#fd = fd;
    this.#heard = heard;
  }

  /** To be called when a commit can be read by others. */
  ring(): void {
    writeSync(this.#fd, BYTE, 0, 1, 0);
  }

  /** Somebody waits, so listen from now on. */
  listen(): void {
    this.#restedMs = 0;
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#directory, { persistent: false }, (_, file) => {
        if (file !== this.#file) this.#heard();
      });
      // Without a watch the poll finds all, later.
      this.#watcher.on("error", () => this.rest(Infinity));
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Nobody waited for so long: one who only works does not need to hear of others. */
  rest(ms: number): void {
    this.#restedMs += ms;
    if (this.#restedMs <= REST_MS) return;
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
