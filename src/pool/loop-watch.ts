/** A block of an event loop. */
export interface BlockedLoop {
  /** Duration of the block, in milliseconds. */
  readonly durationMs: number;
  /** The number of blocks since the last notice, including this one. */
  readonly times: number;
  /** The longest of them, in milliseconds. */
  readonly longestMs: number;
}

/**
 * Further blocks are counted and reported with the first block after this time, in milliseconds.
 */
const NOTICE_MS = 60_000;
/**
 * Checks within the shortest block that counts: a measured duration may be off by one check
 * interval.
 */
const LOOKS = 4;

/**
 * Notices that the event loop of this thread was blocked: its timer fires too late. It reports only
 * afterwards, and cannot distinguish a function that computes from a machine that gave this process
 * no processor time.
 */
export class LoopWatch {
  readonly #blockedMs: number;
  readonly #onBlocked: (blocked: BlockedLoop) => void;
  #timer: NodeJS.Timeout | undefined;
  #lookedMs = 0;
  #noticedMs = -Infinity;
  #times = 0;
  #longestMs = 0;

  /**
   * @param blockedMs - the shortest block that counts, in milliseconds
   * @param onBlocked - called after a block, at most once a minute
   */
  constructor(blockedMs: number, onBlocked: (blocked: BlockedLoop) => void) {
    this.#blockedMs = blockedMs;
    this.#onBlocked = onBlocked;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    const everyMs = Math.max(1, this.#blockedMs / LOOKS);
    this.#lookedMs = performance.now();
    this.#timer = setInterval(() => this.#look(everyMs), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(everyMs: number): void {
    const nowMs = performance.now();
    const durationMs = nowMs - this.#lookedMs - everyMs;
    this.#lookedMs = nowMs;
    if (durationMs < this.#blockedMs) return;
    this.#times += 1;
    this.#longestMs = Math.max(this.#longestMs, durationMs);
    if (nowMs - this.#noticedMs < NOTICE_MS) return;
    this.#noticedMs = nowMs;
    const blocked = { durationMs, times: this.#times, longestMs: this.#longestMs };
    this.#times = 0;
    this.#longestMs = 0;
    this.#onBlocked(blocked);
  }
}
