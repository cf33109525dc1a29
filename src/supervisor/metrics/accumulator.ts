interface Series {
  readonly total: number;
  /** The last known value of each part. */
  readonly parts: ReadonlyMap<string, number>;
}

const NOTHING: Series = { total: 0, parts: new Map() };

/**
 * Sums counters of several parts, of which some end: the sum of those that are left would fall, and a reader
 * takes a counter that falls for one that began again.
 */
export class Accumulator {
  readonly #series = new Map<string, Series>();
  #touched = new Set<string>();

  /**
   * Adds the growth of each part since the last time.
   *
   * @param parts - the present value of each part; a new part counts from 0, and `undefined` is a part that is
   * still there and whose value is not known now
   * @returns the total of the series
   */
  add(key: string, parts: ReadonlyMap<string, number | undefined>): number {
    this.#touched.add(key);
    const { total: before, parts: former } = this.#series.get(key) ?? NOTHING;
    let total = before;
    const kept = new Map<string, number>();
    for (const [part, value] of parts) {
      const last = former.get(part) ?? 0;
      total += Math.max(0, (value ?? last) - last);
      if (value !== undefined || former.has(part)) kept.set(part, value ?? last);
    }
    this.#series.set(key, { total, parts: kept });
    return total;
  }

  /** Forgets the series that {@link add} did not have since the last call of this method. */
  prune(): void {
    for (const key of this.#series.keys()) if (!this.#touched.has(key)) this.#series.delete(key);
    this.#touched = new Set();
  }
}
