// Methods of proxies, which editors show with the documentation of the original method:
// scripts/older-types.mjs asks the language service for it at each `/* here */`.
import type { Pool } from "../../src/pool/pool.ts";
import { singleton } from "../../src/singleton/singleton.ts";
import type { Remote } from "../../src/wire/contract.ts";

class Counter {
  /** Documented: a method. */
  increment(by: number): number {
    return by;
  }

  /** Documented: a stream. */
  async *changes(): AsyncGenerator<number, void, undefined> {
    yield this.increment(1);
  }
}

interface Module {
  /** Documented: a function. */
  resize(width: number): Promise<number>;
  /** Documented: a generator. */
  rows(path: string): Generator<string, void, undefined>;
}

export async function documented(pool: Pool<Module>, remote: Remote<Counter>): Promise<unknown[]> {
  const counter = await singleton(Counter, { name: "documented" });
  return [
    counter./* here */ increment,
    counter.with({ timeoutMs: 1 })./* here */ increment,
    counter./* here */ changes,
    remote./* here */ increment,
    pool.fn()./* here */ resize,
    pool.gen()./* here */ rows,
  ];
}
