// Checked by the compiler alone: each `@ts-expect-error` must stand right above the line that is wrong.
import {
  callContext,
  defineContract,
  type CallContext,
  type CallOptions,
  type Contract,
  type Remote,
} from "../../src/wire/contract.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import type { Equal, Expect } from "./expect.ts";

interface Shop {
  readonly name: string;
  price(item: string, count?: number): number;
  buy(item: string): Promise<{ readonly id: number }>;
  watch(item: string): AsyncIterable<number>;
  history(): Generator<Date>;
  list(): string[];
  subscribe(callback: (item: string) => void): Promise<void>;
  refuse(why: string): never;
}

const SHOP: Contract<Shop> = defineContract<Shop>()({
  name: "shop",
  version: 1,
  calls: ["price", "buy", "list", "subscribe", "refuse"],
  streams: ["watch", "history"],
});

type Answer<Name extends "price" | "buy" | "list" | "watch" | "history" | "refuse"> = ReturnType<
  Remote<Shop>[Name]
>;

// Methods answer with a promise, streaming ones with an async iterator; fields are not there.
export type Answers = [
  Expect<Equal<Answer<"price">, Promise<number>>>,
  Expect<Equal<Answer<"buy">, Promise<{ readonly id: number }>>>,
  Expect<Equal<Answer<"list">, Promise<string[]>>>,
  Expect<Equal<Answer<"watch">, AsyncIterableIterator<number>>>,
  Expect<Equal<Answer<"history">, AsyncIterableIterator<Date>>>,
  // A method that always throws answers with its error.
  Expect<Equal<Answer<"refuse">, Promise<never>>>,
];

export async function uses(remote: Remote<Shop>, signal: AbortSignal): Promise<void> {
  await remote.with({ signal, timeoutMs: 500 }).buy("tea");
  await remote.subscribe((item) => void item.toUpperCase());

  // @ts-expect-error there is no such method
  await remote.sell("tea");
  // @ts-expect-error a wrong argument
  await remote.price(7);
  // @ts-expect-error a wrong second argument
  await remote.price("tea", "two");
  // @ts-expect-error an argument is missing
  await remote.buy();
  // @ts-expect-error an argument too many
  await remote.list("all");
  // @ts-expect-error await was forgotten
  const forgotten: number = remote.price("tea");
  // @ts-expect-error await was forgotten, and the promise has no such property
  void remote.buy("tea").id;
  // @ts-expect-error a stream is no promise
  remote.watch("tea").then(String);
  // @ts-expect-error fields do not cross
  void remote.name;
  // @ts-expect-error a remote is no promise
  void remote.then;
  const options: CallOptions = { signal };
  await remote.with(options).with({ timeoutMs: 5 }).list();
  // @ts-expect-error a wrong option
  remote.with({ timeout: 500 });
  // @ts-expect-error the callback gets a string
  await remote.subscribe((item: number) => item);
  void forgotten;
}

export const misspelt: unknown = defineContract<Shop>()({
  name: "shop",
  version: 1,
  // @ts-expect-error a name that is no method
  calls: ["prize"],
  streams: [],
});

export const wrongKind: unknown = defineContract<Shop>()({
  name: "shop",
  version: 1,
  // @ts-expect-error it streams
  calls: ["watch"],
  streams: [],
});

export const field: unknown = defineContract<Shop>()({
  name: "shop",
  version: 1,
  // @ts-expect-error a field is no method
  calls: ["name"],
  streams: [],
});

// @ts-expect-error the contract of the whole interface must name all its methods
export const incomplete: Contract<Shop> = defineContract<Shop>()({
  name: "shop",
  version: 1,
  calls: ["price", "buy", "list"],
  streams: ["watch", "history"],
});

// One that names a part is a contract of that part.
const part = defineContract<Shop>()({ name: "shop", version: 1, calls: ["price"], streams: [] });
export async function connects(): Promise<void> {
  const { remote } = await connectUnix("/run/shop.sock", part);
  await remote.price("tea");
  // @ts-expect-error not in this contract
  await remote.buy("tea");
}

// An implementation may be synchronous where the interface is, and needs every method.
export async function serves(shop: Shop): Promise<void> {
  await serveUnix("/run/shop.sock", SHOP, shop);
  await serveUnix("/run/shop.sock", part, { price: () => 3 });
  // @ts-expect-error price gives a number
  await serveUnix("/run/shop.sock", part, { price: () => "3" });
  // @ts-expect-error price is missing
  await serveUnix("/run/shop.sock", part, {});
}

// A class may implement it; its private members are no methods of a contract.
class Counter {
  #count = 0;
  increment(by: number): number {
    this.#count += by;
    return this.check();
  }
  private check(): number {
    const { signal }: CallContext = callContext();
    return signal.aborted ? 0 : this.#count;
  }
}
export const counter: Contract<Pick<Counter, "increment">> = defineContract<Counter>()({
  name: "counter",
  version: 1,
  calls: ["increment"],
  streams: [],
});
export const exposed: unknown = defineContract<Counter>()({
  name: "counter",
  version: 1,
  // @ts-expect-error a private method
  calls: ["check"],
  streams: [],
});
