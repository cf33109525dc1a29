// The types of a pool come from its worker module. Compiled, never run.
import { Pool } from "../../src/pool/pool.ts";
import { defineWorker, type TaskContext } from "../../src/pool/worker/define-worker.ts";
import { Worker } from "../../src/pool/worker/worker.ts";
import type { DataOf, MessageOf, ResultOf, TaskOf } from "../../src/pool/module-types.ts";
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
