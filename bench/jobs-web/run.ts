// From `ctx.progress()` in a job to the page in Chromium, compared with BullMQ's `updateProgress` with a stream
// written by hand, alternating in one run: `node bench/jobs-web/run.ts [--rounds 3]`. Exits with 1 above the
// bar; bench/results/jobs-web.json has the figures.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import type { Page } from "playwright-core";

import { startChromium, withoutChromium } from "../../test/helpers/chromium.ts";
import { startRedis, withoutRedis } from "../../test/helpers/redis-server.ts";
import { eventually, startProcess, temporaryDirectory } from "../../test/helpers/resources.ts";
import { type Ends, withScope } from "../../test/load/scope.ts";
import { type Bar, barOf, describeBar, type OpenBar } from "../bars/bar.ts";
import { distProgram, prepareDist } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { TOLD } from "./clock.ts";

const ROUNDS = 3;
const LIMIT_MS = 50;
const SIDES = ["newel", "bare"] as const;

type Latencies = Record<(typeof SIDES)[number], number[]>;

/** Starts a program and waits for its first words. */
async function start(scope: Ends, words: readonly string[], until: RegExp): Promise<string> {
  const child = startProcess(scope, process.execPath, words);
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const found = await eventually(
    () => until.exec(printed)?.[0],
    `${words.join(" ")}: ${printed}`,
    20_000,
  );
  return found;
}

async function measureStore(
  scope: Ends,
  page: Page,
  store: string,
  rounds: number,
): Promise<Latencies> {
  const here = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const server = `jobs server --processes 1 --store ${store} --modules ${here("work")}`;
  await start(scope, [distProgram("cli/main"), ...server.split(" ")], /The job server runs/);
  await start(scope, [here("bare"), store], /ready/);
  const site = await start(scope, [here("site"), store], /http:\S+/);
  await page.goto(site);
  const latencies: Latencies = { newel: [], bare: [] };
  for (let round = 0; round < rounds; round += 1)
    for (const side of SIDES) latencies[side].push(...(await measureRun(page, side)));
  return latencies;
}

/** Milliseconds from each call to the page, for one run. */
async function measureRun(page: Page, side: string): Promise<number[]> {
  const took: unknown = await page.evaluate(`(async () => {
    const id = await (await fetch("/${side}/new")).text();
    const took = [];
    await new Promise((resolve) => {
      const source = new EventSource("/${side}/" + id);
      source.onmessage = ({ data }) => {
        const arrived = performance.timeOrigin + performance.now();
        const { type = "progress", progress } = JSON.parse(data);
        if (type === "progress" && progress) took.push(arrived - Number(progress.note));
        if (progress && progress.done === ${TOLD}) {
          source.close();
          resolve();
        }
      };
    });
    return took;
  })()`);
  return took as number[];
}

function share(values: readonly number[], of: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length * of)] ?? Number.NaN) * 10) / 10;
}

function barsOf(store: string, { newel, bare }: Latencies): Bar[] {
  const seen = {
    told: newel.length,
    p50: share(newel, 0.5),
    "bare p50": share(bare, 0.5),
    "bare p99": share(bare, 0.99),
  };
  const what = `ctx.progress() to the browser, p99, ${store}`;
  return [barOf(what, share(newel, 0.99), { atMost: LIMIT_MS, unit: "ms" }, seen)];
}

async function measure(scope: Ends, rounds: number): Promise<(Bar | OpenBar)[]> {
  const what = "ctx.progress() to the browser";
  if (withoutChromium !== false) return [{ bar: what, why: withoutChromium }];
  prepareDist();
  const browser = await startChromium(scope);
  const page = await browser.newPage();
  const file = `sqlite:${join(temporaryDirectory(scope), "jobs.db")}`;
  const bars: (Bar | OpenBar)[] = barsOf("SQLite", await measureStore(scope, page, file, rounds));
  if (withoutRedis !== false) return [...bars, { bar: `${what}, Redis`, why: withoutRedis }];
  const { port } = await startRedis(scope, "everysec");
  const redis = await measureStore(scope, page, `redis://127.0.0.1:${port}`, rounds);
  return [...bars, ...barsOf("Redis", redis)];
}

const { values } = parseArgs({ options: { rounds: { type: "string" }, json: { type: "string" } } });
const before = machine();
console.log(describeMachine(before));
const bars = await withScope((scope) => measure(scope, Number(values.rounds ?? ROUNDS)));
for (const bar of bars) console.log(describeBar(bar));
console.log(writeResult("jobs-web", { machine: before, bars }));
process.exitCode = bars.every((bar) => "why" in bar || bar.met) ? 0 : 1;
