/** The wait before a retry, which grows with each failure in a row. */
export interface Backoff {
  /** The first wait, in milliseconds. */
  readonly minMs: number;
  /** No wait is longer than this, in milliseconds. */
  readonly maxMs: number;
  /** Each wait is this many times the one before. Default 2. */
  readonly factor?: number;
  /**
   * The share of a wait that is random, 0 to 1, so that many clients do not retry at the same moment. Default
   * 0.2.
   */
  readonly jitter?: number;
}

/**
 * The wait before the next try.
 *
 * @param backoff - the limits and the growth of the wait
 * @param failures - failures in a row so far, from 1
 * @param random - 0 to 1; given in tests
 * @returns milliseconds
 */
export function backoffMs(
  backoff: Backoff,
  failures: number,
  random: () => number = Math.random,
): number {
  const grown = backoff.minMs * (backoff.factor ?? 2) ** Math.max(0, failures - 1);
  const bounded = Math.min(backoff.maxMs, grown);
  const spread = bounded * (backoff.jitter ?? 0.2);
  return Math.round(Math.min(backoff.maxMs, bounded - spread + 2 * spread * random()));
}
