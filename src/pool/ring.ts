/** A queue with constant-time add and take, independent of its length. */
export class Ring<Item> {
  #items: (Item | undefined)[] = Array.from({ length: 16 });
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length += 1;
  }

  unshift(item: Item): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.#length += 1;
  }

  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length -= 1;
    return item;
  }

  /** Keeps the items that pass the test, in their order. */
  filter(keep: (item: Item) => boolean): void {
    const all = [...this].filter(keep);
    let size = 16;
    while (size < all.length) size *= 2;
    this.#items = Array.from({ length: size });
    this.#head = 0;
    this.#length = 0;
    for (const item of all) this.push(item);
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let at = 0; at < this.#length; at += 1) {
      const item = this.#items[(this.#head + at) & (this.#items.length - 1)];
      if (item !== undefined) yield item;
    }
  }

  #grow(): void {
    const size = this.#items.length;
    const grown: (Item | undefined)[] = Array.from({ length: size * 2 });
    for (let at = 0; at < this.#length; at += 1)
      grown[at] = this.#items[(this.#head + at) & (size - 1)];
    this.#items = grown;
    this.#head = 0;
  }
}
