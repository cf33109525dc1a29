// Every pool at every load: `node bench/pool/run.ts --table`. All are open in one process and take
// turns. Called with a contender's name, measures the start of that one alone and prints it as JSON.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { median } from "../bars/bar.ts";
import { formatTable } from "../tools/table.ts";
import { CONTENDERS, contender, type Contender, type Opened } from "./contenders.ts";
import { besideBlocked, latency, noop, rate, sleeping, speedUp } from "./loads.ts";

const ROUNDS = 5;
const ROUND_MS = 200;
const MEGABYTE = 1_000_000;

/** A column: the quantity, its pools, and its format. */
interface Load {
  readonly title: string;
  readonly digits?: number;
  readonly rounds?: number;
  readonly isFor?: (of: Contender) => boolean;
  readonly measure: (pool: Opened) => Promise<number>;
}

const OBJECT = {
  list: Array.from({ length: 150 }, (_, n) => ({ id: n, name: `name ${n}`, tags: ["a", "b"] })),
};
const bytes = (): Uint8Array<ArrayBuffer> => new Uint8Array(MEGABYTE);
const ownSignal = (): { signal: AbortSignal } => ({ signal: new AbortController().signal });

const LOADS: readonly Load[] = [
  { title: "1", measure: (pool) => rate(pool, 1, ROUND_MS, noop) },
  { title: "64", measure: (pool) => fullRate(pool) },
  { title: "10,000", measure: (pool) => rate(pool, 10_000, ROUND_MS, noop) },
  { title: "10 kB", measure: (pool) => rate(pool, 64, ROUND_MS, () => ({ d: OBJECT })) },
  { title: "1 MB", measure: (pool) => rate(pool, 8, ROUND_MS, () => ({ d: bytes() })) },
  {
    title: "moved",
    isFor: ({ canTransfer }) => canTransfer === true,
    measure: (pool) =>
      rate(
        pool,
        8,
        ROUND_MS,
        () => ({ d: bytes(), move: true }),
        ({ d }) => ({ transfer: [(d as Uint8Array<ArrayBuffer>).buffer] }),
      ),
  },
  { title: "sleeps", measure: (pool) => rate(pool, 200, ROUND_MS, sleeping) },
  {
    title: "signals",
    isFor: ({ name }) => /newel|piscina|tinypool/.test(name),
    measure: (pool) => rate(pool, 200, ROUND_MS, sleeping, ownSignal),
  },
  { title: "speed-up", digits: 2, rounds: 3, measure: speedUp },
  { title: "blocked ms", rounds: 3, measure: besideBlocked },
  { title: "½ a s", rounds: 1, measure: async (pool) => halfRate(pool) },
  { title: "p50 ms", digits: 2, rounds: 3, measure: async (pool) => (await arrivals(pool)).p50 },
  { title: "p99 ms", digits: 2, rounds: 3, measure: async (pool) => (await arrivals(pool)).p99 },
];

/** The program that makes and measures the arrivals does not keep up with more of them a second. */
const MAX_ARRIVALS = 50_000;
const HALF_LOAD = `½ a s: half of a pool's own rate with 64 outstanding, but at most ${MAX_ARRIVALS.toLocaleString("en")}; p50, p99: no-ops that arrive so often.`;

/** The result of each pool with 64 outstanding tasks. */
const fullRates = new WeakMap<Opened, number[]>();

async function fullRate(pool: Opened): Promise<number> {
  const reached = await rate(pool, 64, ROUND_MS, noop);
  fullRates.set(pool, [...(fullRates.get(pool) ?? []), reached]);
  return reached;
}

function halfRate(pool: Opened): number {
  return Math.min(MAX_ARRIVALS, median(fullRates.get(pool) ?? []) / 2);
}

const arrivals = (pool: Opened): ReturnType<typeof latency> => latency(pool, halfRate(pool), 600);

export async function printTable(size: number): Promise<void> {
  const rows = CONTENDERS.filter(({ name }) => !name.startsWith("raw"));
  const cells = new Map(rows.map(({ name }) => [name, startOf(name, size)]));
  const pools = new Map<string, Opened>();
  for (const row of rows) pools.set(row.name, await row.open(size));
  for (const load of LOADS) {
    const figures = await takeTurns(load, rows, pools);
    console.error(`${load.title}: ${JSON.stringify(Object.fromEntries(figures))}`);
    for (const { name } of rows) cells.get(name)?.push(shown(figures.get(name), load.digits ?? 0));
  }
  const titles = ["", "first ms", "MB", ...LOADS.map(({ title }) => title)];
  console.log(
    formatTable([titles, ...rows.map(({ name }) => [name, ...(cells.get(name) ?? [])])]).join("\n"),
  );
  console.log(HALF_LOAD);
}

/** The medians of all for one load, one round of each after the other. */
async function takeTurns(
  { measure, isFor, rounds = ROUNDS }: Load,
  rows: readonly Contender[],
  pools: ReadonlyMap<string, Opened>,
): Promise<Map<string, number>> {
  const samples = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round += 1)
    for (const row of rows) {
      const pool = pools.get(row.name);
      if (pool === undefined || isFor?.(row) === false) continue;
      const value = await measure(pool);
      if (round > 0) samples.set(row.name, [...(samples.get(row.name) ?? []), value]);
    }
  return new Map([...samples].map(([name, values]) => [name, median(values)]));
}

function shown(value: number | undefined, digits: number): string {
  if (value === undefined || value === null) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** Milliseconds to the first result and megabytes for each worker, in a process that has only this pool. */
function startOf(name: string, size: number): string[] {
  const firsts: number[] = [];
  const sizes: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const { first, memory } = startAlone(name, size);
    firsts.push(first);
    if (memory !== null) sizes.push(memory);
  }
  return [shown(median(firsts), 0), sizes.length === 0 ? "–" : shown(median(sizes), 1)];
}

/** The start of one pool in a process that has only this pool. */
export function startAlone(name: string, size: number): Start {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), name, String(size)],
    { encoding: "utf8", timeout: 60_000 },
  );
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return JSON.parse(stdout) as Start;
}

interface Start {
  /** Milliseconds from the import of the pool to its first result. */
  readonly first: number;
  /** Megabytes for each worker. */
  readonly memory: number | null;
}

async function measureStart(of: Contender, size: number): Promise<object> {
  const rssBefore = process.memoryUsage().rss;
  const start = performance.now();
  const pool = await of.open(size);
  await pool.run({ n: 1 });
  const first = performance.now() - start;
  // The same number for all: a faster one would have used more memory by now.
  await Promise.all(Array.from({ length: 1_000 }, () => pool.run({ n: 1 })));
  return { first, memory: memoryPerWorker(of, size, rssBefore) ?? null };
}

/** Private memory of a worker process, or the growth of this process for each thread, in MB. */
function memoryPerWorker({ kind }: Contender, size: number, rssBefore: number): number | undefined {
  if (kind === "thread") return (process.memoryUsage().rss - rssBefore) / size / 1e6;
  const children = `/proc/${process.pid}/task/${process.pid}/children`;
  const pids = readFileSync(children, "utf8").trim().split(" ").map(Number);
  return pids.length === 0 ? undefined : median(pids.map(privateBytes)) / 1e6;
}

function privateBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)];
  return kilobytes.reduce((sum, [, each]) => sum + Number(each) * 1_024, 0);
}

if (import.meta.main) {
  const [name = "", size = "2"] = process.argv.slice(2);
  console.log(JSON.stringify(await measureStart(contender(name), Number(size))));
  process.exit(0);
}
