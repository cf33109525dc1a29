import { PROGRESS_BYTES, progressOf, type Progress, type ProgressRecord } from "./progress.ts";

/** The progress record of a worker thread: memory that it shares with the pool. */
export class SharedRecord implements ProgressRecord {
  readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(PROGRESS_BYTES));

  read(told: number): Progress {
    return progressOf(Atomics.load(this.words, 0) >>> 0, told);
  }

  takeBack(after: number, upTo: number): void {
    Atomics.store(this.words, 1, after);
    Atomics.store(this.words, 2, upTo);
  }

  close(): void {}
}
