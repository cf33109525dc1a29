import { type FSWatcher, watch, writeSync } from "node:fs";

/** The watch on the directory ends this long after the last wait, in milliseconds. */
const REST_MS = 1_000;
const BYTE = Buffer.from("!");

/**
 * Notifies other processes of a commit. Each process has its own file in a directory and writes a
 * byte into it; processes that wait watch that directory. SQLite's WAL changes with each commit too
 * and needs no byte, but it changes before the commit can be read, a dozen times for each, and processes
 * that wake up too early slow down the process that still writes.
 */
export class Doorbell {
  readonly #directory: string;
  readonly #file: string;
  readonly #fd: number;
  readonly #heard: () => void;
  #watcher: FSWatcher | undefined;
  #restedMs = 0;

  /**
   * @param directory - the directory of all processes' files
   * @param file - this process's own
   * @param fd - that file, open for writing
   * @param heard - called when another process has committed
   */
  constructor(directory: string, file: string, fd: number, heard: () => void) {
    this.#directory = directory;
    this.#file = file;
    this.#fd = fd;
    this.#heard = heard;
  }

  /** Notifies the other processes; call it when they can read the commit. */
  ring(): void {
    writeSync(this.#fd, BYTE, 0, 1, 0);
  }

  /** Starts the watch because a caller waits. */
  listen(): void {
    this.#restedMs = 0;
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#directory, { persistent: false }, (_, file) => {
        if (file !== this.#file) this.#heard();
      });
      // Without a watch the poll finds all changes, but later.
      this.#watcher.on("error", () => this.rest(Infinity));
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Ends the watch when no caller has waited for a while: a process that only works needs no notifications. */
  rest(ms: number): void {
    this.#restedMs += ms;
    if (this.#restedMs <= REST_MS) return;
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
