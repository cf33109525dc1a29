// A job's whole path: newel's `enqueue`, job server and `events`, compared with BullMQ's own Queue, Worker and
// QueueEvents on the same store, its handler in the worker or sandboxed; alternating in one run:
// `node bench/jobs/whole-path.ts [--rounds 3]`. Exits with 1 below a bar; bench/results/jobs-whole-path.json
// has the figures.
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Queue } from "bullmq";

import { eventually, type Scope, temporaryDirectory } from "../../test/helpers/resources.ts";
import { startRedis, withoutRedis } from "../../test/helpers/redis-server.ts";
import { Ends, withScope } from "../../test/load/scope.ts";
import { type Bar, barOf, describeBar, median } from "../bars/bar.ts";
import { prepareDist } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { cpuSeconds } from "../tools/process-stat.ts";
import { formatTable } from "../tools/table.ts";
import { bullStore } from "./whole-path/bull-store.ts";
import { bullmq, type Contender, end, newel } from "./whole-path/contenders.ts";
import { measureReactions } from "./whole-path/reactions.ts";

const ROUNDS = 3;
const JOBS = 2_000;
const IN_FLIGHT = 100;
const IDLE_JOBS = 100;
const REACTIONS = 10;
const PAUSE_MS = 10;
/** The time in which Node.js compiles is no part of the path either. */
const WARM_UP = 20;

const CONTENDERS: Readonly<Record<string, (store: string) => Promise<Contender>>> = {
  "BullMQ, handler in the worker": (store) => bullmq(store, "bare"),
  "BullMQ, sandboxed": (store) => bullmq(store, "sandboxed"),
  "newel, two processes": newel,
};

type Store = readonly [name: string, url: (contender: string, round: number) => string];
type Figures = Record<string, number>;

async function openStores(scope: Scope): Promise<Store[]> {
  const directory = temporaryDirectory(scope);
  const names = Object.keys(CONTENDERS);
  const stores: Store[] = [
    ["SQLite", (name, round) => `sqlite:${join(directory, `${round}-${names.indexOf(name)}.db`)}`],
  ];
  if (withoutRedis !== false) return stores;
  const { port } = await startRedis(scope, "everysec");
  stores.push([
    "Redis",
    (name, round) =>
      `redis://127.0.0.1:${port}/${(round * names.length + names.indexOf(name)) % 16}`,
  ]);
  return stores;
}

/** Each figure is a median over the rounds, all contenders in turn. */
async function measureAll(stores: readonly Store[], rounds: number): Promise<Map<string, Figures>> {
  const samples = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round += 1)
    for (const [store, url] of stores)
      for (const [name, open] of Object.entries(CONTENDERS)) {
        const row = `${store}: ${name}`;
        const address = url(name, round);
        await using scope = new Ends();
        const figures = await measure(scope, address, open);
        samples.set(row, [...(samples.get(row) ?? []), figures]);
      }
  return new Map([...samples].map(([row, figures]) => [row, medians(figures)]));
}

function medians(samples: readonly Figures[]): Figures {
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, median(samples.map((sample) => sample[name] ?? 0))]),
  );
}

async function measure(
  scope: Scope,
  store: string,
  open: (store: string) => Promise<Contender>,
): Promise<Figures> {
  const contender = await open(store);
  let server: ChildProcess | undefined;
  try {
    const before = performance.now();
    for (let added = 0; added < JOBS; added += IN_FLIGHT)
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => contender.enqueue("noop")));
    const enqueued = (JOBS * 1_000) / (performance.now() - before);
    const { factory, connection } = await bullStore(store);
    await using queue = new OpenQueue(contender.queue, { connection } as never, factory as never);
    await queue.pause();
    server = await contender.serve(scope);
    const backlog = await measureBacklog(queue, server.pid ?? 0);
    return { enqueued, ...backlog, ...(await measureIdle(contender)) };
  } finally {
    await contender.close();
    if (server !== undefined) await end(server);
  }
}

/** From the first job that is taken to the last that is done, as the store has it. */
async function measureBacklog(queue: Queue, pid: number): Promise<Figures> {
  const cpuBefore = cpuOfTree(pid);
  await queue.resume();
  const isDone = async (): Promise<boolean> => (await queue.getCompletedCount()) === JOBS;
  await eventually(isDone, "all jobs are done", 120_000);
  const cpuUs = ((cpuOfTree(pid) - cpuBefore) * 1e6) / JOBS;
  const done = await queue.getCompleted(0, JOBS);
  const first = Math.min(...done.map(({ processedOn }) => processedOn ?? Infinity));
  const last = Math.max(...done.map(({ finishedOn }) => finishedOn ?? 0));
  return { jobs: (JOBS * 1_000) / (last - first), cpuUs };
}

class OpenQueue extends Queue implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function measureIdle(contender: Contender): Promise<Figures> {
  for (let turn = 0; turn < WARM_UP; turn += 1) await contender.follow();
  const starts: number[] = [];
  const ends: number[] = [];
  const shown: number[] = [];
  for (let turn = 0; turn < IDLE_JOBS; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const { asked, began, told } = await contender.follow();
    starts.push(began - asked);
    ends.push(told - asked);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    shown.push(await contender.progress());
  }
  return {
    ...percentiles("start", starts),
    ...percentiles("done", ends),
    ...percentiles("progress", shown),
  };
}

function percentiles(name: string, took: readonly number[]): Figures {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { [`${name} p50`]: at(0.5), [`${name} p99`]: at(0.99) };
}

/** Processor time so far of a process and those it started, in seconds. */
function cpuOfTree(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const isBelow = (each: number | undefined): boolean =>
    each !== undefined && (each === pid || isBelow(parents.get(each)));
  return [...parents.keys()].filter(isBelow).reduce((sum, each) => sum + cpuSeconds(each), 0);
}

/** `undefined` when the process has ended. */
function parentOf(pid: number): number | undefined {
  try {
    const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return parent === undefined ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

function table(figures: ReadonlyMap<string, Figures>): string[] {
  const names = Object.keys([...figures.values()][0] ?? {});
  return formatTable([
    ["", ...names],
    ...[...figures].map(([row, values]) => [
      row,
      ...names.map((name) => {
        const value = values[name] ?? 0;
        return value < 100 ? value.toFixed(2) : String(Math.round(value));
      }),
    ]),
  ]);
}

async function measureBars(scope: Scope, progressP99: number): Promise<Bar[]> {
  const store = `sqlite:${join(temporaryDirectory(scope), "jobs.db")}`;
  const { again, told } = await measureReactions(scope, store, REACTIONS);
  const ms = (what: string, took: readonly number[], atMost: number): Bar => {
    const limit = { atMost, unit: "ms" };
    return barOf(what, Math.max(...took), limit, { median: Math.round(median([...took])) });
  };
  return [
    ms(`a killed process's job starts again, longest of ${REACTIONS}`, again, 200),
    ms(`cancel reaches ctx.signal, longest of ${REACTIONS}`, told, 100),
    barOf("progress at a listener, p99 when idle", progressP99, { atMost: 50, unit: "ms" }),
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: "string" }, json: { type: "string" } },
  });
  prepareDist();
  const before = machine();
  console.log(describeMachine(before));
  const { figures, bars } = await withScope(async (scope) => {
    const measured = await measureAll(await openStores(scope), Number(values.rounds ?? ROUNDS));
    const progressP99 = measured.get("SQLite: newel, two processes")?.["progress p99"] ?? Infinity;
    return { figures: measured, bars: await measureBars(scope, progressP99) };
  });
  for (const line of table(figures)) console.log(line);
  for (const bar of bars) console.log(describeBar(bar));
  const result = { machine: before, figures: Object.fromEntries(figures), bars };
  console.log(writeResult("jobs-whole-path", result));
  process.exitCode = bars.every(({ met }) => met) ? 0 : 1;
}
