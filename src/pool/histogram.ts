/** Buckets per doubling: values are reported with an error of at most 9 %. */
const STEPS = 8;
const LOWEST_MS = 0.001;
const BUCKETS = 30 * STEPS;

/** Percentiles of times, in milliseconds. */
export interface TimeSummary {
  /** The number of measured times. */
  readonly count: number;
  /** The mean, in milliseconds. */
  readonly meanMs: number;
  /** The median, in milliseconds. */
  readonly p50Ms: number;
  /** The 99th percentile, in milliseconds. */
  readonly p99Ms: number;
  /** The longest time, in milliseconds. */
  readonly maxMs: number;
}

/** A histogram of times, cheap enough to be kept for every task. */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  record(ms: number): void {
    const bucket = ms <= LOWEST_MS ? 0 : Math.floor(Math.log2(ms / LOWEST_MS) * STEPS);
    const at = bucket < BUCKETS ? bucket : BUCKETS - 1;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  summary(): TimeSummary {
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      p50Ms: this.#percentile(0.5),
      p99Ms: this.#percentile(0.99),
      maxMs: this.#maxMs,
    };
  }

  #percentile(share: number): number {
    let left = this.#count * share;
    for (let at = 0; at < BUCKETS; at += 1) {
      left -= this.#buckets[at] ?? 0;
      if (left <= 0 && this.#count > 0)
        return Math.min(this.#maxMs, LOWEST_MS * 2 ** ((at + 0.5) / STEPS));
    }
    return this.#maxMs;
  }
}

/** The times of the answered tasks of a pool. */
export interface TaskTimes {
  readonly wait: Histogram;
  readonly run: Histogram;
}
