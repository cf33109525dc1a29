/** How much work a worker is sent ahead of what it does, in milliseconds of its event loop. */
const AHEAD_MS = 2;
/** One that runs and one that waits: with fewer the worker would idle while its answer travels. */
const MIN_AHEAD = 2;
/** What a task is taken for before the first was seen. */
const FIRST_ESTIMATE_MS = 0.25;
/** So many tasks outweigh all that was known before. */
const FULL_WEIGHT = 16;
const MIN_WEIGHT = 0.25;
/** A worker with tasks that was silent for longer may stand still: it gets one task to answer to. */
const QUIET_MS = 10;

/**
 * How many tasks may be off-loaded to one worker. Not their number counts but the time its event
 * loop is busy with them: many that only wait, few that compute, so that the last ones are shared
 * evenly and nothing waits behind long work while another worker is free. Workers tell how many
 * tasks they have begun and how long they were busy.
 */
export class Allowance {
  readonly #concurrency: number;
  #sent = 0;
  #told = 0;
  #estimateMs = FIRST_ESTIMATE_MS;
  #ahead: number = AHEAD_MS / FIRST_ESTIMATE_MS;
  lastHeardMs = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** What a task keeps the event loop busy for, on average. */
  get estimateMs(): number {
    return this.#estimateMs;
  }

  hasRoom(inFlight: number, nowMs: number): boolean {
    const untold = this.#sent - this.#told;
    return (
      inFlight < this.#concurrency &&
      untold < this.#ahead &&
      (untold === 0 || !this.isQuiet(inFlight, nowMs))
    );
  }

  /** Whether it has tasks and said nothing for a while: it computes, or stands still. */
  isQuiet(inFlight: number, nowMs: number): boolean {
    return inFlight > 0 && nowMs - this.lastHeardMs > QUIET_MS;
  }

  /** Counts a task that is sent; gives its number. */
  send(): number {
    this.#sent += 1;
    return this.#sent;
  }

  unsend(): void {
    this.#sent -= 1;
  }

  isUntold(sentNumber: number): boolean {
    return sentNumber > this.#told;
  }

  heard(nowMs: number): void {
    this.lastHeardMs = nowMs;
  }

  /** The worker has begun so many tasks in all, and was busy for so long since it last said so. */
  told(begun: number, busyUs: number): void {
    // The count is one of 32 bits.
    const tasks = (begun - this.#told) >>> 0;
    if (tasks === 0) return;
    this.#told += tasks;
    const eachMs = busyUs / 1_000 / tasks;
    const weight = Math.min(1, Math.max(MIN_WEIGHT, tasks / FULL_WEIGHT));
    this.#estimateMs += (eachMs - this.#estimateMs) * weight;
    this.#ahead = Math.max(MIN_AHEAD, AHEAD_MS / this.#estimateMs);
  }
}
