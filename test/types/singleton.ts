// Checked by the compiler alone: each `@ts-expect-error` must stand right above the line that is wrong.
import { ownership, singleton, type Ownership, type Singleton } from "../../src/singleton/index.ts";
import type { Equal, Expect } from "./expect.ts";

class Counter {
  static readonly idempotent = ["increment"] as const;
  static readonly streams = ["follow"] as const;
  readonly kind: string = "counter";
  #count: number;

  constructor(start: number, name?: string) {
    this.#count = start + (name?.length ?? 0);
  }

  increment(by = 1): number {
    this.#count += by;
    return this.secret();
  }

  async label(prefix: string): Promise<string> {
    return `${prefix}${this.#count}`;
  }

  *history(): Generator<Date> {
    yield new Date(0);
  }

  follow(): AsyncIterable<number> {
    return this.numbers();
  }

  async *numbers(): AsyncGenerator<number> {
    yield this.#count;
  }

  subscribe(hear: (count: number) => void): void {
    hear(this.#count);
  }

  save(): number {
    return this.#count;
  }

  restore(count: number, own: Ownership): void {
    this.#count = count + own.epoch;
  }

  lateInit(): void {}

  _helper(): void {}

  private secret(): number {
    return this.#count;
  }
}

type Proxy = Singleton<Counter>;

export type Answers = [
  Expect<Equal<ReturnType<Proxy["increment"]>, Promise<number>>>,
  Expect<Equal<ReturnType<Proxy["label"]>, Promise<string>>>,
  Expect<Equal<ReturnType<Proxy["history"]>, AsyncIterableIterator<Date>>>,
  Expect<Equal<ReturnType<Proxy["follow"]>, AsyncIterableIterator<number>>>,
  Expect<Equal<Proxy["epoch"], number>>,
  Expect<Equal<Proxy["isOwner"], boolean>>,
];

export async function uses(signal: AbortSignal): Promise<void> {
  const counter = await singleton(Counter, { name: "counter", args: [100] });
  await counter.increment();
  await counter.increment(2);
  await counter.with({ signal, timeoutMs: 500, key: "order 7" }).increment();
  await counter.with({ signal }).with({ key: "1" }).label("a");
  for await (const number of counter.numbers()) void number.toFixed();
  await counter.subscribe((count) => void count.toFixed());
  await counter.leave();

  // @ts-expect-error there is no such method
  await counter.decrement();
  // @ts-expect-error a wrong argument
  await counter.increment("2");
  // @ts-expect-error an argument is missing
  await counter.label();
  // @ts-expect-error an argument too many
  await counter.label("a", "b");
  // @ts-expect-error await was forgotten
  const forgotten: number = counter.increment();
  // @ts-expect-error await was forgotten, and the promise has no such method
  counter.label("a").toUpperCase();
  // @ts-expect-error fields do not cross
  void counter.kind;
  // @ts-expect-error private methods do not cross
  await counter.secret();
  // @ts-expect-error nor do those that are private by custom
  await counter._helper();
  // @ts-expect-error nor do hooks
  await counter.save();
  // @ts-expect-error nor do hooks
  await counter.restore(1);
  // @ts-expect-error a proxy is no promise
  void counter.then;
  // @ts-expect-error it cannot be set
  counter.epoch = 3;
  // @ts-expect-error the callback gets a number
  await counter.subscribe((count: string) => void count);
  // @ts-expect-error a wrong option
  counter.with({ timeout: 3 });
  void forgotten;
}

export async function options(): Promise<void> {
  // @ts-expect-error the constructor needs an argument
  await singleton(Counter, { name: "counter" });
  // @ts-expect-error of another type
  await singleton(Counter, { name: "counter", args: ["100"] });
  // @ts-expect-error a name is needed
  await singleton(Counter, { args: [1] });
  // @ts-expect-error either a port or an engine
  await singleton(Counter, { name: "counter", args: [1], port: 17310, engine: "kernel" });
  // @ts-expect-error no such engine
  await singleton(Counter, { name: "counter", args: [1], engine: "redis" });
  await singleton(Counter, {
    name: "counter",
    args: [1, "one"],
    port: 17310,
    secret: "s",
    host: "::",
  });
  class Plain {
    get(): number {
      return ownership().epoch;
    }
  }
  await (await singleton(Plain, { name: "plain" })).get();

  const url = new URL("counter.ts", import.meta.url);
  const hosted = await singleton<typeof Counter>(url, { name: "counter", args: [1] });
  await hosted.increment();
  // @ts-expect-error the constructor needs an argument there too
  await singleton<typeof Counter>(url, { name: "counter" });
}

class WrongDeclarations {
  static readonly idempotent = ["absent"] as const;
  put(): void {}
}
// @ts-expect-error it declares a method that it has not
export const wrong: unknown = singleton(WrongDeclarations, { name: "wrong" });

class WrongKind {
  static readonly streams = ["put"] as const;
  put(): void {}
}
// @ts-expect-error it declares a stream that is none
export const wrongKind: unknown = singleton(WrongKind, { name: "wrong" });

class Base {
  inherited(): number {
    return 1;
  }
}

/** Async methods keep their signatures; a function that is returned answers with a promise. */
class Signatures extends Base {
  arrow = (by: number): number => by;

  async generic<T extends { readonly id: number }>(value: T): Promise<T> {
    return value;
  }

  overloaded(value: string): Promise<string>;
  overloaded(value: number): Promise<number>;
  async overloaded(value: unknown): Promise<unknown> {
    return value;
  }

  make(): (value: number) => string {
    return String;
  }

  async makeLater(): Promise<(value: number) => string> {
    return String;
  }

  override toString(): string {
    return "signatures";
  }
}

export async function signatures(): Promise<void> {
  const remote = await singleton(Signatures, { name: "signatures" });
  const extra: string = (await remote.generic({ id: 1, extra: "x" })).extra;
  const [text, number]: [string, number] = [
    await remote.overloaded("a"),
    await remote.overloaded(1),
  ];
  const inherited: number = await remote.inherited();
  const by: number = await remote.arrow(1);
  using make = await remote.make();
  const made: string = await make(1);
  const later: string = await (await remote.makeLater())(2);
  // @ts-expect-error the function that was returned answers with a promise
  const wrongly: string = make(1);
  void [extra, text, number, inherited, by, made, later, wrongly];
}

class Exposing {
  static readonly exposes = ["open"] as const;
  open(): number {
    return 1;
  }
  closed(): number {
    return 2;
  }
  /** Not exposed, so that its name does not matter. */
  leave(): void {}
}

export async function exposing(): Promise<void> {
  const remote = await singleton(Exposing, { name: "exposing" });
  await remote.open();
  await remote.with({}).open();
  // @ts-expect-error the class does not expose it
  await remote.closed();
  // @ts-expect-error nor with options
  await remote.with({}).closed();
}

class Clashing {
  leave(id: string): string {
    return id;
  }
}
// @ts-expect-error the proxy has a method of that name itself
export const clashing: unknown = singleton(Clashing, { name: "clashing" });

class Undeclared {
  list(): AsyncIterable<number> {
    return new Counter(1).numbers();
  }
}
// @ts-expect-error a stream that is no generator has to be declared
export const undeclared: unknown = singleton(Undeclared, { name: "undeclared" });

class Plainly {
  get(): number {
    return 1;
  }
}
// @ts-expect-error a host without a port
export const hostless: unknown = singleton(Plainly, { name: "plainly", host: "10.0.0.1" });
// @ts-expect-error a secret without a port
export const secretless: unknown = singleton(Plainly, { name: "plainly", secret: "s" });
