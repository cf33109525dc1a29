import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";

import type * as PoolModule from "../../src/pool/index.ts";
import { fromDist } from "../prepare.ts";

/** The work of a task: see workers/work.mjs. */
export interface Work {
  readonly n?: number;
  readonly s?: number;
  readonly b?: number;
  readonly d?: unknown;
  /** Hand the memory of `d` over. */
  readonly move?: boolean;
}

/** How a task is called. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly transfer?: readonly ArrayBuffer[];
}

/** A pool that was opened. */
export interface Opened {
  run(work: Work, options?: CallOptions): Promise<unknown>;
  close(): Promise<unknown>;
}

/** A pool at one of its settings. */
export interface Contender {
  readonly name: string;
  readonly kind: "process" | "thread";
  readonly canTransfer?: boolean;
  open(size: number): Promise<Opened>;
}

/** As many tasks in a worker at once as the largest load here needs. */
const MANY = 64;

/** A peer's package, from bench/node_modules; it may lack, and it has no types here. */
async function peer(name: string): Promise<unknown> {
  return import(name);
}

function worker(name: string): string {
  return fileURLToPath(new URL(`workers/${name}.mjs`, import.meta.url));
}

/** newel's pool with its defaults: the same for every load. */
function newel(kind: "process" | "thread"): Contender {
  return {
    name: `newel ${kind}`,
    kind,
    canTransfer: true,
    async open(size) {
      const { Pool } = await fromDist<typeof PoolModule>("pool/index");
      const pool = new Pool({ worker: worker("newel"), size, kind });
      pool.setMaxListeners(0);
      return {
        run: (work, options) => pool.run(work, options),
        close: () => pool.close(),
      };
    },
  };
}

interface PiscinaLike {
  run(work: Work, options?: object): Promise<unknown>;
  destroy(): Promise<void>;
  readonly threads?: readonly { readonly process?: { readonly pid: number } }[];
}

function piscina(concurrency: number, atomics?: string): Contender {
  return {
    name: `piscina${concurrency > 1 ? ` ${concurrency}` : ""}${atomics === undefined ? "" : ` ${atomics}`}`,
    kind: "thread",
    canTransfer: true,
    async open(size) {
      const { Piscina } = (await peer("piscina")) as {
        Piscina: new (options: object) => PiscinaLike;
      };
      const pool = new Piscina({
        filename: worker("piscina"),
        minThreads: size,
        maxThreads: size,
        concurrentTasksPerWorker: concurrency,
        ...(atomics === undefined ? {} : { atomics }),
      });
      return {
        run: (work, { signal, timeoutMs, transfer } = {}) =>
          pool.run(work, {
            ...(transfer === undefined ? {} : { transferList: transfer }),
            ...(signal === undefined && timeoutMs === undefined
              ? {}
              : { signal: signal ?? AbortSignal.timeout(timeoutMs ?? 0) }),
          }),
        close: () => pool.destroy(),
      };
    },
  };
}

function tinypool(kind: "process" | "thread", concurrency: number): Contender {
  return {
    name: `tinypool ${kind}${concurrency > 1 ? ` ${concurrency}` : ""}`,
    kind,
    async open(size) {
      const { Tinypool } = (await peer("tinypool")) as {
        Tinypool: new (options: object) => PiscinaLike;
      };
      const pool = new Tinypool({
        filename: worker("tinypool"),
        runtime: kind === "thread" ? "worker_threads" : "child_process",
        minThreads: size,
        maxThreads: size,
        concurrentTasksPerWorker: concurrency,
        serialization: "advanced",
      });
      return {
        run: (work, { signal } = {}) => pool.run(work, signal === undefined ? {} : { signal }),
        close: () => pool.destroy(),
      };
    },
  };
}

function workerpool(kind: "process" | "thread"): Contender {
  return {
    name: `workerpool ${kind}`,
    kind,
    async open(size) {
      const { default: library } = (await peer("workerpool")) as {
        default: {
          pool(
            file: string,
            options: object,
          ): {
            exec(name: string, args: unknown[]): Promise<unknown>;
            terminate(): Promise<unknown>;
          };
        };
      };
      const pool = library.pool(worker("workerpool"), {
        workerType: kind,
        minWorkers: size,
        maxWorkers: size,
        forkOpts: { serialization: "advanced" },
      });
      return {
        run: (work) => pool.exec("task", [work]),
        close: async () => pool.terminate(),
      };
    },
  };
}

function poolifier(kind: "process" | "thread"): Contender {
  return {
    name: `poolifier ${kind === "thread" ? "thread" : "cluster"}`,
    kind,
    async open(size) {
      const library = (await peer("poolifier")) as Record<
        "FixedThreadPool" | "FixedClusterPool",
        new (
          size: number,
          file: string,
          options: object,
        ) => { execute(work: Work): Promise<unknown>; destroy(): Promise<void> }
      >;
      const pool =
        kind === "thread"
          ? new library.FixedThreadPool(size, worker("poolifier-thread"), {})
          : new library.FixedClusterPool(size, worker("poolifier-cluster"), {
              settings: { serialization: "advanced" },
            });
      return { run: (work) => pool.execute(work), close: () => pool.destroy() };
    },
  };
}

function jestWorker(kind: "process" | "thread"): Contender {
  return {
    name: `jest-worker ${kind}`,
    kind,
    async open(size) {
      const { Worker } = (await peer("jest-worker")) as {
        Worker: new (
          file: string,
          options: object,
        ) => { task(work: Work): Promise<unknown>; end(): Promise<unknown> };
      };
      const pool = new Worker(worker("jest"), {
        numWorkers: size,
        enableWorkerThreads: kind === "thread",
        forkOptions: { serialization: "advanced" },
        exposedMethods: ["task"],
      });
      return { run: (work) => pool.task(work), close: () => pool.end() };
    },
  };
}

/** Frames over sockets and nothing else: the upper bound for a pool of processes. */
const raw: Contender = {
  name: "raw frames",
  kind: "process",
  async open(size) {
    const frames = (await import(new URL("frames.mjs", import.meta.url).href)) as Frames;
    const pending = new Map<number, (value: unknown) => void>();
    let next = 0;
    const workers = Array.from({ length: size }, () => {
      const child = spawn(process.execPath, [worker("raw")], {
        stdio: ["ignore", "inherit", "inherit", "pipe"],
      });
      const socket = child.stdio[3] as Socket;
      let entries: Entry[] = [];
      const flush = (): void => {
        socket.write(frames.frameOf(entries));
        entries = [];
      };
      socket.on(
        "data",
        frames.cutFrames((answers) => {
          for (const [id, value] of answers) {
            pending.get(id)?.(value);
            pending.delete(id);
          }
        }),
      );
      const send = (entry: Entry): void => {
        if (entries.push(entry) === 1) process.nextTick(flush);
      };
      return { child, send };
    });
    return {
      run: (work) =>
        new Promise((resolve) => {
          next += 1;
          pending.set(next, resolve);
          workers[next % size]?.send([next, work]);
        }),
      close: async () => workers.forEach(({ child }) => child.kill()),
    };
  },
};

type Entry = [id: number, value: unknown];

interface Frames {
  frameOf(entries: readonly Entry[]): Buffer;
  cutFrames(each: (entries: readonly Entry[]) => void): (chunk: Buffer) => void;
}

/** Every pool, each at the settings its loads are best at. */
export const CONTENDERS: readonly Contender[] = [
  newel("process"),
  newel("thread"),
  piscina(1),
  piscina(MANY),
  piscina(MANY, "async"),
  tinypool("thread", 1),
  tinypool("thread", MANY),
  tinypool("process", 1),
  tinypool("process", MANY),
  workerpool("thread"),
  workerpool("process"),
  poolifier("thread"),
  poolifier("process"),
  jestWorker("thread"),
  jestWorker("process"),
  raw,
];

export function contender(name: string): Contender {
  const found = CONTENDERS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no contender ${name}`);
  return found;
}
