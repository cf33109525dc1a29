/** The work that a worker is sent ahead, in milliseconds of its event loop. */
const AHEAD_MS = 2;
/** One running and one waiting task: with fewer the worker would idle while its answer travels. */
const MIN_AHEAD = 2;
/**
 * The travel time does not matter for tasks of this length: none waits behind them in the worker.
 */
const LONG_MS = 10;
/** This many tasks outweigh all earlier measurements. */
const FULL_WEIGHT = 16;
const MIN_WEIGHT = 0.25;
/**
 * A worker with tasks that was silent for longer may be blocked: it gets no task before it was
 * heard.
 */
const QUIET_MS = 10;
/** The window shrinks towards its peak use in the last of these spans. */
const SPAN_MS = 100;
/** A window that was too small grows by this factor with each report. */
const GROWTH = 4;
/** The multiple of the last span's use that may be sent at once. */
const SLACK = 2;

/**
 * Limits the number of tasks that are sent to one worker ahead of the tasks that it is known to
 * have begun.
 *
 * There are two rules. The window never holds more than 2 ms of the worker's event loop, by the
 * mean time of its tasks, so that many tasks that only wait run concurrently and computing tasks
 * are distributed evenly. And it grows only by use, starting at one task: by a factor of four
 * whenever it was too small; it shrinks when it is not used. A burst of long tasks on a worker that
 * is new, or was idle, or had only small tasks, is therefore not sent to this worker at once: it
 * waits where other workers can take it.
 *
 * Workers report how many tasks they have taken and how long they were busy.
 */
export class InFlightWindow {
  readonly #concurrency: number;
  #sent = 0;
  #told = 0;
  /** Unreported tasks that the worker returned: they took no time. */
  #dropped = 0;
  #estimateMs: number | undefined;
  #size = 1;
  /** A task had to wait because the window was full. */
  #wasShort = false;
  /** The largest number of unreported tasks in this span. */
  #peak = 0;
  #spanEndMs = 0;
  lastHeardMs = 0;
  /** The time at which it was sent a task when it had reported all earlier ones. */
  #waitsSinceMs = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /**
   * The mean time for which a task keeps the event loop busy, in milliseconds; 0 before the first
   * task.
   */
  get estimateMs(): number {
    return this.#estimateMs ?? 0;
  }

  /** The worker has reported every task up to this number as taken. */
  get told(): number {
    return this.#told;
  }

  /** Tasks that were sent and not reported as taken. */
  get untold(): number {
    return this.#sent - this.#told;
  }

  hasRoom(inFlight: number, nowMs: number): boolean {
    if (inFlight >= this.#concurrency || this.isQuiet(inFlight, nowMs)) return false;
    if (this.#sent - this.#told < this.#size) return true;
    this.#wasShort = true;
    return false;
  }

  /** Whether it has tasks and was silent for a while: it is computing, or blocked. */
  isQuiet(inFlight: number, nowMs: number): boolean {
    return inFlight > 0 && nowMs - this.lastHeardMs > QUIET_MS;
  }

  /** For how long it has had unreported tasks and was silent, in milliseconds. */
  silentMs(nowMs: number): number {
    return this.#sent === this.#told ? 0 : nowMs - Math.max(this.lastHeardMs, this.#waitsSinceMs);
  }

  /** The number of the last task that was sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Counts a task that is sent; returns its number. */
  send(nowMs: number): number {
    if (this.#sent === this.#told) {
      this.#waitsSinceMs = nowMs;
      if (nowMs > this.#spanEndMs) this.#newSpan(nowMs);
    }
    this.#sent += 1;
    const untold = this.#sent - this.#told;
    if (untold > this.#peak) this.#peak = untold;
    // The silence of a new worker is counted from here.
    if (this.lastHeardMs === 0) this.lastHeardMs = nowMs;
    return this.#sent;
  }

  unsend(): void {
    this.#sent -= 1;
  }

  heard(nowMs: number): void {
    this.lastHeardMs = nowMs;
  }

  /** The worker returned a task that it had not begun. */
  dropped(): void {
    this.#dropped += 1;
  }

  /**
   * The worker has taken this many tasks in total, and was busy for this long since its last
   * report.
   */
  took(taken: number, busyUs: number): void {
    // The count has 32 bits.
    const delta = (taken - this.#told) >>> 0;
    if (delta === 0) return;
    this.#told += delta;
    const tasks = delta - Math.min(this.#dropped, delta);
    this.#dropped = 0;
    if (tasks > 0) this.#learn(busyUs / 1_000 / tasks, tasks);
    const limit = this.#limit();
    if (this.#wasShort) this.#size = Math.min(limit, this.#size * GROWTH);
    else if (this.#size > limit) this.#size = limit;
    this.#wasShort = false;
  }

  #learn(eachMs: number, tasks: number): void {
    if (this.#estimateMs === undefined) {
      this.#estimateMs = eachMs;
      return;
    }
    const weight = Math.min(1, Math.max(MIN_WEIGHT, tasks / FULL_WEIGHT));
    this.#estimateMs += (eachMs - this.#estimateMs) * weight;
  }

  #limit(): number {
    const { estimateMs } = this;
    if (estimateMs >= LONG_MS) return 1;
    return Math.max(MIN_AHEAD, AHEAD_MS / estimateMs);
  }

  #newSpan(nowMs: number): void {
    // After a span without any use the peak is outdated.
    const isRecent = nowMs - this.#spanEndMs < SPAN_MS;
    const used = isRecent ? Math.max(1, SLACK * this.#peak) : 1;
    this.#size = Math.min(this.#size, used);
    this.#peak = 0;
    this.#spanEndMs = nowMs + SPAN_MS;
  }
}
