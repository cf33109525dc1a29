import type { MetricHistogram } from "../api.ts";

/** Why a replica ended. */
export type ExitReason = "requested" | "completed" | "error" | "signal" | "not_ready" | "unknown";

/** The end of a replica, as the service machine reports it. */
interface Exit {
  /** The exit code; the negative number of the signal that ended the process; `null` when unknown. */
  readonly exitCode: number | null;
  /** Whether newel requested the end. */
  readonly asked: boolean;
  readonly failure: string | undefined;
}

/** The upper bounds of the buckets of stop durations, in seconds. */
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120] as const;

/** The counts of one service since its supervisor began: a few numbers, kept whether or not they are read. */
export class ServiceCounts {
  readonly #exits = new Map<ExitReason, number>();
  readonly #stops: number[] = Array.from({ length: BOUNDS.length + 1 }, () => 0);
  #stopSeconds = 0;

  ended(exit: Exit): void {
    const reason = reasonOf(exit);
    this.#exits.set(reason, (this.#exits.get(reason) ?? 0) + 1);
  }

  /** A replica was stopped; `ms` from the stop signal until its last process had ended. */
  stopped(ms: number): void {
    const seconds = ms / 1_000;
    const index = BOUNDS.findIndex((bound) => seconds <= bound);
    const at = index < 0 ? BOUNDS.length : index;
    this.#stops[at] = (this.#stops[at] ?? 0) + 1;
    this.#stopSeconds += seconds;
  }

  get exits(): ReadonlyMap<ExitReason, number> {
    return this.#exits;
  }

  get stops(): MetricHistogram {
    let count = 0;
    const buckets = BOUNDS.map((upTo, index) => {
      count += this.#stops[index] ?? 0;
      return { upTo, count };
    });
    return { buckets, count: count + (this.#stops[BOUNDS.length] ?? 0), sum: this.#stopSeconds };
  }
}

function reasonOf({ exitCode, asked, failure }: Exit): ExitReason {
  if (asked) return failure === undefined ? "requested" : "not_ready";
  if (exitCode === null) return "unknown";
  if (exitCode < 0) return "signal";
  return exitCode === 0 ? "completed" : "error";
}
