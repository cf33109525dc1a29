import type { WaitReport } from "../runner/protocol.ts";

/** How long a wait by reads is assumed to continue without another read, in milliseconds. */
const READS_MS = 15_000;
/** The largest number of runs for which the server remembers that an attempt waits for them. */
const MOST = 1_000;

/** The runs that an attempt waits for, as its process reports them. */
export class AttemptWaits {
  /** The end of each wait if no other report comes, by the clock of `performance.now()`. */
  readonly #untilMs = new Map<string, number>();

  note({ run, how }: WaitReport, nowMs: number = performance.now()): void {
    this.#untilMs.delete(run);
    if (how === "ended" || this.#untilMs.size >= MOST) return;
    this.#untilMs.set(run, how === "follows" ? Number.POSITIVE_INFINITY : nowMs + READS_MS);
  }

  /** The ids of the runs. */
  list(nowMs: number = performance.now()): readonly string[] {
    return [...this.#untilMs].filter(([, untilMs]) => untilMs > nowMs).map(([run]) => run);
  }
}
