import type { Readable } from "node:stream";

import { sleep } from "../base/timers.ts";
import type { OutputInfo } from "./options.ts";
import { readLines } from "./output-lines.ts";

/** The standard output and error of a worker, if the pool reads them. */
export interface OutputStreams {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** The longest wait for the output of ended workers: other processes may hold their pipes. */
const LAST_OUTPUT_MS = 1_000;

/** Passes the lines of all workers of a pool to its `onOutput`. */
export class WorkerOutput {
  readonly #onLine: (line: string, info: OutputInfo) => void;
  /** One promise for each stream that has not ended. */
  readonly #open = new Set<Promise<void>>();

  constructor(onLine: (line: string, info: OutputInfo) => void) {
    this.#onLine = onLine;
  }

  /** Reads the output of one worker to its end. */
  read(streams: OutputStreams, worker: number, pid: number): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const ended = readLines(streams[stream], (line) =>
        this.#onLine(line, { worker, pid, stream }),
      );
      this.#open.add(ended);
      void ended.then(() => this.#open.delete(ended));
    }
  }

  /** All workers have ended: resolves when their output was read. */
  async ended(): Promise<void> {
    if (this.#open.size === 0) return;
    const enough = new AbortController();
    await Promise.race([Promise.all(this.#open), sleep(LAST_OUTPUT_MS, enough.signal)]);
    enough.abort();
  }
}
