// Every pool at every load, each in a process of its own: `node bench/pool/run.ts --table`. Called
// with a contender's name, measures that one and prints its figures as JSON.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { median } from "../bars/bar.ts";
import { formatTable } from "../tools/table.ts";
import { CONTENDERS, contender, type Contender, type Opened } from "./contenders.ts";
import { besideBlocked, latency, noop, rate, sleeping, speedUp } from "./loads.ts";

const ROUNDS = 3;
const ROUND_MS = 400;
const MEGABYTE = 1_000_000;

type Figures = Record<string, number | undefined>;

const COLUMNS: readonly (readonly [title: string, key: string, digits: number])[] = [
  ["first ms", "first", 0],
  ["memory MB", "memory", 1],
  ["1", "one", 0],
  ["64", "some", 0],
  ["10,000", "many", 0],
  ["10 kB", "tenKb", 0],
  ["1 MB", "megabyte", 0],
  ["1 MB moved", "moved", 0],
  ["5 ms sleeps", "sleeps", 0],
  ["… signals", "signals", 0],
  ["speed-up", "speedUp", 2],
  ["blocked ms", "blocked", 0],
  ["p50 ms", "p50", 2],
  ["p99 ms", "p99", 2],
];

export async function printTable(size: number): Promise<void> {
  const rows = [["", ...COLUMNS.map(([title]) => title)]];
  for (const { name } of CONTENDERS) {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), name, String(size)],
      { encoding: "utf8", timeout: 120_000 },
    );
    const figures = status === 0 ? (JSON.parse(stdout) as Figures) : {};
    if (status !== 0) console.error(`${name}: ${stderr}`);
    rows.push([name, ...COLUMNS.map(([, key, digits]) => shown(figures[key], digits))]);
  }
  console.log(formatTable(rows).join("\n"));
}

function shown(value: number | undefined, digits: number): string {
  if (value === undefined || value === null) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

async function medianOf(measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  await measure();
  for (let round = 0; round < ROUNDS; round += 1) values.push(await measure());
  return median(values);
}

async function measure(of: Contender, size: number): Promise<Figures> {
  const rssBefore = process.memoryUsage().rss;
  const start = performance.now();
  const pool = await of.open(size);
  await pool.run({ n: 1 });
  const first = performance.now() - start;
  const rates = await measureRates(pool, of);
  const half = rates["some"] === undefined ? 0 : rates["some"] / 2;
  const times = await latency(pool, Math.min(15_000, half), 1_500);
  const figures = {
    first,
    memory: memoryPerWorker(pool, of, size, rssBefore),
    ...rates,
    ...times,
  };
  await pool.close();
  return figures;
}

async function measureRates(pool: Opened, of: Contender): Promise<Figures> {
  const some = await medianOf(() => rate(pool, 64, ROUND_MS, noop));
  if (of.name.startsWith("raw")) return { some };
  const object = {
    list: Array.from({ length: 150 }, (_, n) => ({ id: n, name: `name ${n}`, tags: ["a", "b"] })),
  };
  const bytes = (): Uint8Array<ArrayBuffer> => new Uint8Array(MEGABYTE);
  return {
    one: await medianOf(() => rate(pool, 1, ROUND_MS, noop)),
    some,
    many: await medianOf(() => rate(pool, 10_000, ROUND_MS, noop)),
    tenKb: await medianOf(() => rate(pool, 64, ROUND_MS, () => ({ d: object }))),
    megabyte: await medianOf(() => rate(pool, 8, ROUND_MS, () => ({ d: bytes() }))),
    moved:
      of.canTransfer === true
        ? await medianOf(() =>
            rate(
              pool,
              8,
              ROUND_MS,
              () => ({ d: bytes(), move: true }),
              ({ d }) => ({ transfer: [(d as Uint8Array<ArrayBuffer>).buffer] }),
            ),
          )
        : undefined,
    sleeps: await medianOf(() => rate(pool, 200, ROUND_MS, sleeping)),
    signals: /newel|piscina|tinypool/.test(of.name)
      ? await medianOf(() =>
          rate(pool, 200, ROUND_MS, sleeping, () => ({ signal: new AbortController().signal })),
        )
      : undefined,
    speedUp: await medianOf(() => speedUp(pool)),
    blocked: await medianOf(() => besideBlocked(pool)),
  };
}

/** Private memory of a worker process, or what this process grew by for each thread, in MB. */
function memoryPerWorker(
  pool: Opened,
  { kind }: Contender,
  size: number,
  rssBefore: number,
): number | undefined {
  if (kind === "thread") return (process.memoryUsage().rss - rssBefore) / size / 1e6;
  const pids = pool.pids?.() ?? [];
  if (pids.length === 0) return undefined;
  return median(pids.map(privateBytes)) / 1e6;
}

function privateBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)];
  return kilobytes.reduce((sum, [, each]) => sum + Number(each) * 1_024, 0);
}

if (import.meta.main) {
  const [name = "", size = "2"] = process.argv.slice(2);
  console.log(JSON.stringify(await measure(contender(name), Number(size))));
  process.exit(0);
}
