import { closeSync, fdatasync, openSync } from "node:fs";

type Done = (error: Error | null) => void;

/**
 * Takes to disk what was committed. SQLite writes a transaction to its log and lets others see it; this
 * syncs the log on another thread, so that neither the next transaction nor a worker that waits for the
 * job has to wait for the disk. Who was promised that it is on disk is answered after that. All who ask
 * while a sync runs share the next one.
 *
 * The log is not the database file: SQLite takes no lock on it that closing it here could drop, and while
 * this process has the database open the log is never another file.
 */
export class LogSync {
  readonly #fd: number;
  #waiting: Done[] = [];
  #running = false;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(databasePath: string) {
    this.#fd = openSync(`${databasePath}-wal`, "r");
  }

  /** Calls back when everybody was served: at once when nobody waits. */
  whenIdle(then: () => void): void {
    if (this.#running) this.#onIdle = then;
    else then();
  }

  /** Calls back when all that was committed until now is on disk. */
  request(done: Done): void {
    this.#waiting.push(done);
    if (!this.#running) this.#run();
  }

  #run(): void {
    const served = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    fdatasync(this.#fd, (error) => {
      for (const done of served) done(error);
      this.#running = false;
      if (this.#waiting.length > 0) this.#run();
      else this.#rest();
    });
  }

  /** Nobody waits any more. */
  #rest(): void {
    if (this.#closed) closeSync(this.#fd);
    const idle = this.#onIdle;
    this.#onIdle = undefined;
    idle?.();
  }

  /** Lets go of the file, when the sync that runs has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#running) closeSync(this.#fd);
  }
}
