import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";

/** Objects that cannot be copied: each is refused by name. */
const HOSTS: readonly (() => unknown)[] = [
  () => new URL("http://a/b"),
  () => new URLSearchParams("a=1"),
  () => new Headers({ a: "1" }),
  () => new FormData(),
  () => new Response("x"),
  () => new Request("http://a/"),
  () => new Blob(["hello"]),
  () => new ReadableStream(),
  () => Readable.from(["x"]),
  () => new TextEncoder(),
  () => new AbortController(),
  () => new Event("x"),
  () => new Intl.NumberFormat("en"),
  () => createHash("sha1"),
  () => new DatabaseSync(":memory:"),
  () => new AsyncLocalStorage(),
  () => new MessageChannel().port1.unref(),
  () => new WeakMap(),
  () => new WeakRef({}),
  () => Promise.resolve(1),
  () => [1].values(),
  () => new Map().entries(),
  () =>
    (function* () {
      yield 1;
    })(),
  () => Symbol("x"),
  () => Object(Symbol("x")) as unknown,
  () => Object.assign(new Map(), { size2: 1 }),
  () => Object.assign(new Date(), { zone: "UTC" }),
  () => new ArrayBuffer(1, { maxByteLength: 2 }),
  () => {
    const bytes = new Uint8Array(3);
    bytes.buffer.transfer();
    return bytes;
  },
  () => ({
    get trap(): never {
      throw new Error("a getter");
    },
  }),
  () =>
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("a Proxy");
        },
      },
    ),
];

/** Random values of every kind, including ones that cannot be copied, reproducible by their seed. */
export class RandomValues {
  #state: number;
  /** Whether the last value has a part that cannot be copied, so that it may have to be refused. */
  hasHost = false;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** A number from 0 to below 1 (xorshift). */
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

  /** The next value. */
  next(): unknown {
    this.hasHost = false;
    return this.#value(4);
  }

  /** A value of limited depth. */
  #value(depth: number): unknown {
    if (this.number() < 0.01) return this.#host();
    if (depth === 0 || this.number() < 0.4) return this.#leaf();
    return this.#pick([
      () => Array.from({ length: this.integer(5) }, () => this.#value(depth - 1)),
      () => this.#record(depth),
      () => this.#record(depth),
      () =>
        new Map(
          Array.from({ length: this.integer(4) }, () => [
            this.#value(depth - 1),
            this.#value(depth - 1),
          ]),
        ),
      () => new Set(Array.from({ length: this.integer(4) }, () => this.#leaf())),
      () => this.#cycle(depth),
      () => this.#holes(depth),
      () => this.#error(depth),
      () => Object.assign(this.#error(depth), { issues: [this.#value(depth - 1)], status: 422 }),
      () => this.#twice(depth),
    ])();
  }

  /** An object with hidden state, or one that cannot be read. */
  #host(): unknown {
    this.hasHost = true;
    return this.#pick(HOSTS)();
  }

  #twice(depth: number): unknown {
    const value = this.#value(depth - 1);
    return { value, again: [value, value] };
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
      () => this.#pick([0n, -1n, 2n ** 200n, -(10n ** 4_000n)]),
      () => this.#pick([new Date(0), new Date(Number.NaN), new Date(1.7e12)]),
      () => this.#pick([/a+/gi, new RegExp("")]),
      () => Object.assign("a-b".match(/b/) ?? [], { groups: this.#pick([undefined, { a: "b" }]) }),
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
          value: this.#value(depth - 1),
          enumerable: true,
          configurable: true,
          writable: true,
        },
      );
    return record;
  }

  #cycle(depth: number): unknown {
    const self: Record<string, unknown> = { other: this.#value(depth - 1) };
    self["self"] = self;
    self["list"] = [self, new Map([["self", self]])];
    return self;
  }

  #holes(depth: number): unknown[] {
    const list: unknown[] = [];
    list[this.integer(4)] = this.#value(depth - 1);
    list[5] = undefined;
    return list;
  }

  #error(depth: number): Error {
    const options = this.number() < 0.5 ? { cause: this.#value(depth - 1) } : {};
    return this.#pick([
      () => new TypeError(this.#text(), options),
      () => new Error("plain", options),
      () => new RangeError("range", options),
      () => new AggregateError([this.#value(depth - 1), new Error("one")], "many", options),
      () => new DOMException("gone", "AbortError"),
    ])();
  }
}
