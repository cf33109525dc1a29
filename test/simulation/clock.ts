/** Virtual time: callbacks in the order of their times, those of one time in the order they were set. */
export class Clock {
  nowMs = 0;
  #order = 0;
  readonly #due: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];

  /** Calls `run` after `delayMs`. */
  after(delayMs: number, run: () => void): void {
    const entry = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order, run };
    this.#order += 1;
    const heap = this.#due;
    heap.push(entry);
    for (let index = heap.length - 1; index > 0;) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** Runs everything that is due until `untilMs`. */
  runUntil(untilMs: number): void {
    for (let first = this.#due[0]; first !== undefined && first.atMs <= untilMs;) {
      this.#removeFirst();
      this.nowMs = first.atMs;
      first.run();
      first = this.#due[0];
    }
    this.nowMs = untilMs;
  }

  #removeFirst(): void {
    const heap = this.#due;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let least = index;
      if (left < heap.length && this.#isBefore(left, least)) least = left;
      if (right < heap.length && this.#isBefore(right, least)) least = right;
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#due[a], this.#due[b]];
    if (first === undefined || second === undefined) return false;
    return first.atMs === second.atMs ? first.order < second.order : first.atMs < second.atMs;
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#due[a], this.#due[b]];
    if (first === undefined || second === undefined) return;
    this.#due[a] = second;
    this.#due[b] = first;
  }
}
