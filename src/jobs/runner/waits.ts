import type { RunWaitsNotes } from "./current.ts";
import type { Ask, WaitReport } from "./protocol.ts";

/** If a handler reads a run twice within this time, it counts as waiting for the run. In milliseconds. */
const AGAIN_MS = 15_000;
/** The shortest interval between two reports about the same run, in milliseconds. */
const REPORT_EVERY_MS = 3_000;
/** The largest number of runs whose reads are remembered. */
const MOST = 1_000;

/**
 * The runs that the handler of an attempt waits for: it follows their events, or reads their state
 * again and again. The server needs them to find runs that hold each other up.
 */
export class RunWaits implements RunWaitsNotes {
  readonly #run: string;
  readonly #ask: Ask;
  readonly #reads = new Map<string, { readMs: number; reportedMs: number }>();
  readonly #follows = new Map<string, number>();

  /** @param run - the run itself: following it is no wait for another run */
  constructor(run: string, ask: Ask) {
    this.#run = run;
    this.#ask = ask;
  }

  /** The handler has read the state of a run. */
  read(run: string, isOver: boolean, nowMs: number = performance.now()): void {
    if (run === this.#run) return;
    const known = this.#reads.get(run);
    if (isOver) {
      this.#reads.delete(run);
      if (known !== undefined && known.reportedMs > 0 && !this.#follows.has(run))
        this.#report(run, "ended");
      return;
    }
    const isAgain = known !== undefined && nowMs - known.readMs < AGAIN_MS;
    const isDue = isAgain && nowMs - known.reportedMs >= REPORT_EVERY_MS;
    if (known === undefined && this.#reads.size >= MOST) this.#reads.clear();
    this.#reads.set(run, { readMs: nowMs, reportedMs: isDue ? nowMs : (known?.reportedMs ?? 0) });
    if (isDue && !this.#follows.has(run)) this.#report(run, "reads");
  }

  /** The handler follows the events of a run. @returns a function to be called when it does not any more */
  follow(run: string): () => void {
    if (run === this.#run) return () => undefined;
    const count = this.#follows.get(run) ?? 0;
    this.#follows.set(run, count + 1);
    if (count === 0) this.#report(run, "follows");
    return () => {
      const left = (this.#follows.get(run) ?? 1) - 1;
      if (left > 0) {
        this.#follows.set(run, left);
        return;
      }
      this.#follows.delete(run);
      this.#report(run, "ended");
    };
  }

  #report(run: string, how: WaitReport["how"]): void {
    // The handler does not wait for the answer; a lost connection is reported by other calls.
    this.#ask({ kind: "waits", run, how }).catch(() => undefined);
  }
}
