// The types of a pool come from its worker module. Compiled, never run.
import type { MessageChannel } from "node:worker_threads";

import { Pool } from "../../src/pool/pool.ts";
import { defineWorker, type TaskContext } from "../../src/pool/worker/define-worker.ts";
import { Worker } from "../../src/pool/worker/worker.ts";
import { taskContext } from "../../src/pool/worker/context.ts";
import type {
  DataOf,
  FunctionsOf,
  GeneratorsOf,
  ItemOf,
  MessageOf,
  ResultOf,
  TaskOf,
} from "../../src/pool/module-types.ts";
import type { Equal, Expect } from "./expect.ts";

const defined = defineWorker({
  setup: async () => ({ cache: new Map<string, number>() }),
  async task(
    url: string,
    { state, post }: TaskContext<{ cache: Map<string, number> }, { progress: number }>,
  ): Promise<number> {
    await post({ progress: 1 });
    // @ts-expect-error -- the message has another type
    await post("half");
    return state.cache.get(url) ?? 0;
  },
});
type Defined = { readonly default: typeof defined };

export type DefinedTypes = [
  Expect<Equal<TaskOf<Defined>, string>>,
  Expect<Equal<ResultOf<Defined>, number>>,
  Expect<Equal<MessageOf<Defined>, { progress: number }>>,
];

class FetchWorker extends Worker<URL, string, readonly [URL, string], { readonly agent: string }> {
  async processMessage(url: URL): Promise<string> {
    await this.put([url, this.data.agent]);
    // @ts-expect-error -- no such message
    await this.put(1);
    return url.href;
  }
}
type Classed = { readonly default: typeof FetchWorker };

const silent = defineWorker({ task: (n: number) => String(n) });
type Silent = { readonly default: typeof silent };

export type SilentTypes = [
  Expect<Equal<TaskOf<Silent>, number>>,
  Expect<Equal<ResultOf<Silent>, string>>,
  Expect<Equal<MessageOf<Silent>, never>>,
];

export type ClassedTypes = [
  Expect<Equal<TaskOf<Classed>, URL>>,
  Expect<Equal<ResultOf<Classed>, string>>,
  Expect<Equal<MessageOf<Classed>, readonly [URL, string]>>,
  Expect<Equal<DataOf<Classed>, { readonly agent: string }>>,
];

export async function typed(): Promise<number> {
  const pool = new Pool<Defined>({ worker: new URL("worker.ts", import.meta.url) });
  // @ts-expect-error -- a task of another type
  void pool.run(1);
  // @ts-expect-error -- a result of another type
  const wrong: string = await pool.run("a");
  // @ts-expect-error -- of every worker, too
  const all: string[] = await pool.broadcast("a");
  pool.on("message", (value) => {
    // @ts-expect-error -- a result or a message, nothing else
    const other: string = value;
    void other;
  });
  for await (const value of pool) {
    const known: number | { progress: number } = value;
    void known;
  }
  void [wrong, all];
  return pool.run("a", { worker: 1, timeoutMs: 5 });
}

export async function untyped(): Promise<unknown> {
  const pool = new Pool({ worker: "/worker.js" });
  // @ts-expect-error -- nobody knows what it is
  const result: string = await pool.run({ any: "thing" });
  return result;
}

export function withData(): void {
  void new Pool<Classed>({ worker: "/w.ts", data: { agent: "newel" } });
  // @ts-expect-error -- the data of another worker
  void new Pool<Classed>({ worker: "/w.ts", data: { agents: "newel" } });
  void new Pool<Classed>({
    worker: "/w.ts",
    data: { agent: "newel" },
    // @ts-expect-error -- a handler of something else
    onResult: (_value: number) => undefined,
  });
}

const generating = defineWorker({
  async *task(path: string): AsyncGenerator<{ readonly row: number }, void, undefined> {
    yield { row: path.length };
  },
});

/** A module with a default export and named functions of all kinds. */
interface Generating {
  readonly default: typeof generating;
  /** Adds. */
  add(a: number, b?: number): number;
  resize(image: Uint8Array, width: number): Promise<Uint8Array>;
  same<Value>(value: Value): Promise<Value>;
  parse(text: string): Promise<number>;
  parse(text: string, isBig: true): Promise<bigint>;
  fails(): never;
  tiles(image: Uint8Array): Generator<number, string, undefined>;
  rows(path: string): AsyncGenerator<string, void, undefined>;
  later(): AsyncIterable<Date>;
  readonly limit: number;
  readonly then: () => void;
}

export type GeneratingTypes = [
  Expect<Equal<ItemOf<Generating>, { readonly row: number }>>,
  Expect<Equal<ItemOf<Silent>, never>>,
  Expect<
    Equal<keyof FunctionsOf<Generating>, "add" | "resize" | "same" | "parse" | "fails" | "later">
  >,
  Expect<Equal<keyof GeneratorsOf<Generating>, "tiles" | "rows" | "later">>,
];

export async function streams(): Promise<void> {
  const pool = new Pool<Generating>({ worker: "/w.ts" });
  for await (const { row } of pool.stream("a.csv", { timeoutMs: 5 })) row.toFixed();
  // @ts-expect-error -- a task of another type
  pool.stream(1);
  // @ts-expect-error -- a stream is not retried
  pool.stream("a", { retries: 1 });
  // @ts-expect-error -- a generator has no result
  await pool.run("a");
  // @ts-expect-error -- nor one for each item
  pool.map(["a"]);
  const silentPool = new Pool<Silent>({ worker: "/w.ts" });
  // @ts-expect-error -- the task is no generator
  silentPool.stream(1);
  for await (const item of new Pool({ worker: "/w.ts" }).stream({ any: "thing" })) {
    const unknownItem: unknown = item;
    void unknownItem;
  }
}

export async function functions(): Promise<void> {
  const pool = new Pool<Generating>({ worker: "/w.ts" });
  const sum = await pool.fn().add(1);
  const bytes = await pool.fn({ timeoutMs: 5 }).resize(new Uint8Array(1), 2);
  const same = await pool.fn().same("a" as const);
  const big = await pool.fn().parse("1", true);
  const failing = pool.fn().fails();
  void ([] as [
    Expect<Equal<typeof sum, number>>?,
    Expect<Equal<typeof bytes, Uint8Array>>?,
    Expect<Equal<typeof same, "a">>?,
    Expect<Equal<typeof big, bigint>>?,
    Expect<Equal<typeof failing, Promise<never>>>?,
  ]);
  // @ts-expect-error -- a wrong argument
  await pool.fn().add("1");
  // @ts-expect-error -- no such function
  await pool.fn().sub(1);
  // @ts-expect-error -- no function
  pool.fn().limit();
  // @ts-expect-error -- a generator
  pool.fn().tiles(new Uint8Array(1));
  for await (const tile of pool.gen().tiles(new Uint8Array(1))) tile.toFixed();
  for await (const row of pool.gen({ priority: 1 }).rows("a")) row.trim();
  // @ts-expect-error -- no generator
  pool.gen().add(1);
  const untyped = new Pool({ worker: "/w.ts" });
  // @ts-expect-error -- its functions are unknown
  untyped.fn().add(1, 2);
  const three: number = await untyped.fn<Generating>().add(1, 2);
  void three;
}

export function transfers({ port1 }: MessageChannel, pool: Pool<Silent>): void {
  const { readable, writable } = new TransformStream<string, string>();
  void pool.run(1, { transfer: [port1, readable, writable, new ArrayBuffer(1)] });
  // @ts-expect-error -- a view is no memory
  void pool.run(1, { transfer: [new Uint8Array(1)] });
  const { state, post, signal, transfer } = taskContext<Map<string, number>, { done: number }>();
  void [state.get("a"), post({ done: 1 }), signal.aborted, transfer(readable, [readable])];
  // @ts-expect-error -- a message of another type
  void post("a");
}
