/** An event that an operator wants to be alerted of. */
export interface Occurrence {
  /** The reason, as `newel ps` shows it. */
  readonly why?: string;
  readonly timeMs: number;
}

/** The alert that is due, and how many occurrences since the alert before it stand for. */
export interface Due {
  readonly latest: Occurrence;
  readonly suppressed: number;
}

/**
 * Limits the alerts of one occasion of one service: the first one is due at once, then at most one in each interval.
 * Occurrences within the interval are counted, and the latest one is due at its end. Times are of a monotonic clock, in
 * milliseconds.
 */
export class Rate {
  #lastMs = Number.NEGATIVE_INFINITY;
  #held: Occurrence | undefined;
  #suppressed = 0;

  /** @returns the alert that is due now, or the time until {@link release} for the first one that is held */
  add(
    occurrence: Occurrence,
    everyMs: number,
    nowMs: number,
  ): Due | { readonly waitMs: number } | undefined {
    const waitMs = this.#lastMs + everyMs - nowMs;
    const isFirst = this.#held === undefined;
    if (!isFirst) this.#suppressed += 1;
    if (waitMs <= 0) {
      this.#lastMs = nowMs;
      return this.#take(occurrence);
    }
    this.#held = occurrence;
    return isFirst ? { waitMs } : undefined;
  }

  /** The held alert at the end of its interval; `undefined` if none is held. */
  release(nowMs: number): Due | undefined {
    if (this.#held === undefined) return undefined;
    this.#lastMs = nowMs;
    return this.#take(this.#held);
  }

  #take(latest: Occurrence): Due {
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.#held = undefined;
    return { latest, suppressed };
  }
}
