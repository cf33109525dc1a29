// The steps of a run: 1,000 and 4,000 of them, and `ctx.progress` awaited and not awaited, on each
// kind of store: `node bench/jobs/steps.ts [--rounds 3] [--dist DIRECTORY]`. Exits with 1 below a bar;
// bench/results/jobs-steps.json has the figures.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { startPostgres, withoutPostgres } from "../../test/helpers/postgres-server.ts";
import { startRedis, withoutRedis } from "../../test/helpers/redis-server.ts";
import { startProcess, temporaryDirectory } from "../../test/helpers/resources.ts";
import { Ends, withScope } from "../../test/load/scope.ts";
import { barOf, describeBar, median } from "../bars/bar.ts";
import { prepareDist } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { formatTable } from "../tools/table.ts";

const ROUNDS = 3;
const ROWS = 500;
/** The cost of a step depends on that step alone: 4 × the steps, and 10 % for the noise. */
const STEPS_BAR = 4.4;
const AWAITED_BAR = 1.2;
const MODULE = `
import { setTimeout as sleep } from "node:timers/promises";
import { job } from "newel/jobs";
const timed = (work) => async (input, ctx) => {
  const startedMs = performance.now();
  await work(input, ctx);
  return performance.now() - startedMs;
};
export const steps = job("steps", { retries: 0 }, timed(async (count, ctx) => {
  for (let row = 1; row <= count; row += 1) await ctx.step("row " + row, () => "x".repeat(100));
}));
export const rows = job("rows", { retries: 0 }, timed(async ({ count, awaited }, ctx) => {
  for (let row = 1; row <= count; row += 1) {
    await sleep(1);
    const reported = ctx.progress(row, count, "row " + row);
    if (awaited) await reported;
  }
}));`;

/** Enqueues runs of the job server's module and gives the results, the times of their handlers. */
const CLIENT = `
import { jobs } from "newel/jobs";
import { rows, steps } from "./jobs.mjs";
const timeOf = async (job, input) => {
  const { id } = await job.enqueue(input);
  for await (const event of jobs.events(id)) if (event.state === "done") return event.result;
  throw new Error("the run did not end well");
};
await timeOf(steps, 100);
const few = await timeOf(steps, 1_000);
const many = await timeOf(steps, 4_000);
const free = await timeOf(rows, { count: ${ROWS}, awaited: false });
const awaited = await timeOf(rows, { count: ${ROWS}, awaited: true });
await jobs.close();
console.log(JSON.stringify({ few, many, free, awaited }));`;

type Figures = Record<"few" | "many" | "free" | "awaited", number>;

async function measure(store: string, dist: string): Promise<Figures> {
  await using scope = new Ends();
  const directory = temporaryDirectory(scope);
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(dist, join(directory, "node_modules/newel"));
  for (const [name, text] of Object.entries({ "jobs.mjs": MODULE, "client.mjs": CLIENT }))
    writeFileSync(join(directory, name), text);
  const url = store === "" ? `sqlite:${join(directory, "jobs.db")}` : store;
  const options = { cwd: directory, env: { ...process.env, NEWEL_JOBS_STORE: url } };
  const cli = [join(dist, "dist/cli/main.js"), "jobs", "server", "--processes", "1"];
  startProcess(scope, process.execPath, [...cli, "--modules", "jobs.mjs"], options);
  const client = startProcess(scope, process.execPath, ["client.mjs"], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  for await (const text of client.stdout ?? []) printed += String(text);
  return JSON.parse(printed) as Figures;
}

async function measureAll(
  scope: Ends,
  rounds: number,
  dist: string,
): Promise<Map<string, Figures>> {
  const stores = new Map([["SQLite", ""]]);
  if (withoutRedis === false) {
    const { port } = await startRedis(scope, "everysec");
    stores.set("Redis", `redis://127.0.0.1:${port}`);
  }
  if (withoutPostgres === false) stores.set("PostgreSQL", (await startPostgres(scope, true)).url);
  const all = new Map<string, Figures>();
  for (const [name, store] of stores) {
    const samples: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) samples.push(await measure(store, dist));
    const of = (figure: keyof Figures): number => median(samples.map((some) => some[figure]));
    all.set(name, { few: of("few"), many: of("many"), free: of("free"), awaited: of("awaited") });
  }
  return all;
}

const { values } = parseArgs({ options: { rounds: { type: "string" }, dist: { type: "string" } } });
if (values.dist === undefined) prepareDist();
const dist = resolve(values.dist ?? join(import.meta.dirname, "../.."));
const rounds = Number(values.rounds ?? ROUNDS);
const facts = machine();
console.log(describeMachine(facts));
const figures = await withScope((scope) => measureAll(scope, rounds, dist));
const rows = [...figures].map(([store, { few, many, free, awaited }]) => [
  store,
  ...[few, many, free, awaited].map((ms) => `${Math.round(ms)} ms`),
]);
const header = ["store", "1,000 steps", "4,000 steps", "500 rows", "awaited"];
for (const line of formatTable([header, ...rows])) console.log(line);
const bars = [...figures].flatMap(([store, { few, many, free, awaited }]) => [
  barOf(`4,000 steps on ${store}, × 1,000 steps`, many / few, { atMost: STEPS_BAR }),
  barOf(`awaited progress on ${store}, × not awaited`, awaited / free, { atMost: AWAITED_BAR }),
]);
for (const bar of bars) console.log(describeBar(bar));
writeResult("jobs-steps", { machine: facts, figures: Object.fromEntries(figures), bars });
if (bars.some(({ met }) => !met)) process.exitCode = 1;
