/** Deadlines are checked this often: one timer per connection, not one per call. */
const SWEEP_MS = 20;

/**
 * The deadlines of a connection's calls, in buckets of 20 ms. Adding, removing and checking a
 * deadline takes constant time.
 */
export class Deadlines<Item> {
  readonly #onDue: (item: Item) => void;
  readonly #buckets = new Map<number, Set<Item>>();
  #checked = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onDue - called once for each item whose time has passed; the item is removed first */
  constructor(onDue: (item: Item) => void) {
    this.#onDue = onDue;
  }

  /** @param atMs - by `performance.now()` */
  add(item: Item, atMs: number): void {
    const number = bucketOf(atMs);
    const bucket = this.#buckets.get(number);
    if (bucket === undefined) this.#buckets.set(number, new Set([item]));
    else bucket.add(item);
    if (this.#timer !== undefined) return;
    this.#checked = Math.min(bucketOf(performance.now()), number) - 1;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  delete(item: Item, atMs: number): void {
    const number = bucketOf(atMs);
    const bucket = this.#buckets.get(number);
    if (bucket?.delete(item) !== true) return;
    if (bucket.size === 0) this.#buckets.delete(number);
    this.#stopIfEmpty();
  }

  #sweep(): void {
    const now = Math.floor(performance.now() / SWEEP_MS);
    for (const number of this.#dueBuckets(now)) {
      const bucket = this.#buckets.get(number);
      this.#buckets.delete(number);
      for (const item of bucket ?? []) this.#onDue(item);
    }
    this.#checked = now;
    this.#stopIfEmpty();
  }

  #dueBuckets(now: number): number[] {
    // After the machine was suspended there may be fewer buckets than elapsed bucket numbers.
    if (now - this.#checked > this.#buckets.size)
      return [...this.#buckets.keys()].filter((number) => number <= now);
    const numbers = [];
    for (let number = this.#checked + 1; number <= now; number += 1)
      if (this.#buckets.has(number)) numbers.push(number);
    return numbers;
  }

  #stopIfEmpty(): void {
    if (this.#buckets.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function bucketOf(atMs: number): number {
  return Math.ceil(atMs / SWEEP_MS);
}
