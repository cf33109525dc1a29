/** Random values of every kind that can be copied, reproducible by their seed. */
export class RandomValues {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** From 0 to below 1 (xorshift). */
  number(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state / 2 ** 32;
  }

  integer(below: number): number {
    return Math.floor(this.number() * below);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  #text(): string {
    return this.#pick([
      "",
      "a",
      "ä€😀",
      "__proto__",
      "$",
      '\u0000\n"\\',
      "\ud800",
      "x".repeat(this.integer(2_000)),
    ]);
  }

  /** A value that is at most so deep. */
  value(depth = 4): unknown {
    if (depth === 0 || this.number() < 0.4) return this.#leaf();
    return this.#pick([
      () => Array.from({ length: this.integer(5) }, () => this.value(depth - 1)),
      () => this.#record(depth),
      () => this.#record(depth),
      () =>
        new Map(
          Array.from({ length: this.integer(4) }, () => [
            this.value(depth - 1),
            this.value(depth - 1),
          ]),
        ),
      () => new Set(Array.from({ length: this.integer(4) }, () => this.#leaf())),
      () => this.#cycle(depth),
      () => this.#holes(depth),
      () => this.#error(depth),
    ])();
  }

  #leaf(): unknown {
    return this.#pick<() => unknown>([
      () => undefined,
      () => null,
      () => this.number() < 0.5,
      () =>
        this.#pick([
          0,
          -0,
          1.5,
          -1e300,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          2 ** 53,
          this.integer(1e6),
        ]),
      () => this.#text(),
      () => this.#pick([0n, -1n, 2n ** 200n]),
      () => this.#pick([new Date(0), new Date(Number.NaN), new Date(1.7e12)]),
      () => this.#pick([/a+/gi, new RegExp("")]),
      () => this.#binary(),
      () => Object(this.#pick([1, "s", false])) as unknown,
    ])();
  }

  #binary(): unknown {
    const bytes = Uint8Array.from({ length: this.integer(5) * 8 }, () => this.integer(256));
    return this.#pick<() => unknown>([
      () => bytes,
      () => Buffer.from(bytes),
      () => bytes.buffer,
      () => new Float64Array(bytes.buffer),
      () => new BigInt64Array(bytes.buffer),
      () => new Uint16Array(bytes.buffer, 0, bytes.length / 4),
      () => new DataView(bytes.buffer),
      () => new Uint8ClampedArray(bytes),
    ])();
  }

  #record(depth: number): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    for (let left = this.integer(5); left > 0; left -= 1)
      Object.defineProperty(
        record,
        this.#pick(["a", "b", "toString", "__proto__", "$", "1", this.#text()]),
        {
          value: this.value(depth - 1),
          enumerable: true,
          configurable: true,
          writable: true,
        },
      );
    return record;
  }

  #cycle(depth: number): unknown {
    const self: Record<string, unknown> = { other: this.value(depth - 1) };
    self["self"] = self;
    self["list"] = [self, new Map([["self", self]])];
    return self;
  }

  #holes(depth: number): unknown[] {
    const list: unknown[] = [];
    list[this.integer(4)] = this.value(depth - 1);
    list[5] = undefined;
    return list;
  }

  #error(depth: number): Error {
    const options = this.number() < 0.5 ? { cause: this.value(depth - 1) } : {};
    return this.#pick([
      () => new TypeError(this.#text(), options),
      () => new Error("plain", options),
      () => new RangeError("range", options),
    ])();
  }
}
