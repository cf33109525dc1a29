/** Calls are counted per second, for this many last seconds. */
const SECONDS = 10;

/** Counts calls, in total and per second, without a timer. */
export class Rate {
  total = 0;
  readonly #counts = Array.from({ length: SECONDS }, () => 0);
  #second: number;
  readonly #begin: number;
  readonly #now: () => number;

  /** @param now - milliseconds; given in tests */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#second = this.#begin = Math.floor(now() / 1_000);
  }

  count(): void {
    this.total += 1;
    this.#turn();
    const slot = this.#second % SECONDS;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  /** The calls per second, over the last whole seconds. */
  get perSecond(): number {
    this.#turn();
    const whole = Math.min(SECONDS - 1, Math.max(1, this.#second - this.#begin));
    const now = this.#second > this.#begin ? (this.#counts[this.#second % SECONDS] ?? 0) : 0;
    const sum = this.#counts.reduce((all, count) => all + count, 0) - now;
    return sum / whole;
  }

  /** Clears the counts of the seconds that have passed since the last read. */
  #turn(): void {
    const second = Math.floor(this.#now() / 1_000);
    const passed = Math.min(second - this.#second, SECONDS);
    for (let ago = 0; ago < passed; ago += 1) this.#counts[(second - ago) % SECONDS] = 0;
    this.#second = second;
  }
}
