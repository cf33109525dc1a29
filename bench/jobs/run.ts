// BullMQ on the SQLite store compared with BullMQ on Redis (AOF everysec) and on PostgreSQL, alternating in one
// run: `node bench/jobs/run.ts [--rounds 5]`; with `--table` also plainjob, pg-boss, and the least that is a
// queue on SQLite. Exits with 1 below a bar; bench/results/jobs.json has the figures.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { startPostgres, withoutPostgres } from "../../test/helpers/postgres-server.ts";
import { startRedis, withoutRedis } from "../../test/helpers/redis-server.ts";
import { temporaryDirectory } from "../../test/helpers/resources.ts";
import { type Ends, withScope } from "../../test/load/scope.ts";
import { type Bar, barOf, describeBar, median, type OpenBar } from "../bars/bar.ts";
import { prepareDist, preparePeers } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { formatTable } from "../tools/table.ts";
import type { SideTask } from "./side.ts";

const ROUNDS = 5;
const JOBS = 20_000;
const ADDS = 2_000;
const PICK_UPS = 500;
const SIDE: string = fileURLToPath(new URL("side.ts", import.meta.url));

/** A contender on a store, with its measurements. */
interface Side {
  readonly name: string;
  readonly contender: SideTask["contender"];
  readonly connection: (round: number) => unknown;
  /** Pick-ups to measure: fewer of one that polls. */
  readonly pickUps?: number;
  /** Jobs to work on: fewer of one that takes long, more of one that is done in no time. */
  readonly jobs?: number;
}

type Figures = Record<string, number>;

/** The stores that have bars. */
const STORES = ["SQLite FULL", "SQLite NORMAL", "Redis", "PostgreSQL"];

async function openSides(scope: Ends, peers: boolean): Promise<Side[]> {
  const directory = temporaryDirectory(scope);
  const file = (
    name: string,
    contender: SideTask["contender"],
    synchronous: string,
    rest: Partial<Side> = {},
  ): Side => ({
    name,
    contender,
    connection: (round) => ({
      path: join(directory, `${contender}-${synchronous}-${round}.db`),
      synchronous,
    }),
    ...rest,
  });
  const sides = [
    file("SQLite FULL", "sqlite", "full"),
    file("SQLite NORMAL", "sqlite", "normal"),
    file("prototype FULL", "prototype", "full", { jobs: 30_000 }),
    file("prototype NORMAL", "prototype", "normal", { jobs: 30_000 }),
    file("plainjob", "plainjob", "normal", { pickUps: 40, jobs: 6_000 }),
  ];
  if (withoutRedis === false) {
    const { port } = await startRedis(scope, "everysec");
    const connection = { host: "127.0.0.1", port };
    sides.push({ name: "Redis", contender: "redis", connection: () => connection });
  }
  if (withoutPostgres === false) {
    const { url } = await startPostgres(scope, true);
    const connection = { connectionString: url, migrate: true };
    sides.push({
      name: "PostgreSQL",
      contender: "postgres",
      connection: () => connection,
      jobs: 6_000,
    });
    sides.push({
      name: "pg-boss",
      contender: "pgBoss",
      connection: () => connection,
      jobs: 6_000,
    });
  }
  return sides.filter(({ name }) => peers || STORES.includes(name));
}

/** All figures of all sides: each a median over the rounds, the sides in turn. */
async function measureJobs(
  scope: Ends,
  rounds: number,
  peers: boolean,
): Promise<Map<string, Figures>> {
  const sides = await openSides(scope, peers);
  const samples = new Map<string, Map<string, number[]>>();
  for (let round = 0; round < rounds; round += 1)
    for (const side of sides) {
      const figures = await measureSide(side, round);
      if (process.stderr.isTTY || peers) console.error(`${side.name}: ${JSON.stringify(figures)}`);
      for (const [figure, value] of Object.entries(figures)) {
        const some = samples.get(side.name) ?? new Map<string, number[]>();
        samples.set(side.name, some.set(figure, [...(some.get(figure) ?? []), value]));
      }
    }
  return new Map(
    [...samples].map(([name, some]) => [
      name,
      Object.fromEntries([...some].map(([figure, values]) => [figure, median(values)])),
    ]),
  );
}

async function measureSide(side: Side, round: number): Promise<Figures> {
  const { contender, connection, pickUps = PICK_UPS, jobs = JOBS } = side;
  const task = (name: SideTask["task"], count: number, queue: string = name): SideTask => ({
    contender,
    connection: connection(round),
    task: name,
    queue: `${queue}-${round}`,
    count,
  });
  const adds = await runSide<Figures>(task("add", ADDS));
  const work = await runSide<Figures>(task("work", jobs));
  const idle = await runSide<Figures>(task("idle", pickUps));
  const across = await pickUpAcross(task("echo", 0, "across"), task("send", pickUps, "across"));
  return {
    ...adds,
    ...work,
    "in p50": idle["p50"] ?? 0,
    "in p99": idle["p99"] ?? 0,
    "across p50": across[0],
    "across p99": across[1],
  };
}

async function runSide<Result>(task: SideTask): Promise<Result> {
  const child = spawn(process.execPath, [SIDE, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`${task.contender} ${task.task} ended with ${String(code)}`);
  return JSON.parse(output) as Result;
}

/** From `add` in one process to the handler's beginning in another. */
async function pickUpAcross(echo: SideTask, send: SideTask): Promise<[number, number]> {
  const child = spawn(process.execPath, [SIDE, JSON.stringify(echo)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const began: number[] = [];
  const ready = Promise.withResolvers<void>();
  createInterface(child.stdout).on("line", (line) => {
    if (line === "ready") ready.resolve();
    else began.push(Number(line));
  });
  try {
    await ready.promise;
    await new Promise((resolve) => setTimeout(resolve, 200));
    const asked = await runSide<number[]>(send);
    for (let waited = 0; began.length < asked.length && waited < 200; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (began.length !== asked.length) throw new Error(`${began.length} of ${asked.length} began`);
    const took = asked.map((at, index) => (began[index] ?? 0) - at).toSorted((a, b) => a - b);
    return [took[took.length >> 1] ?? 0, took[Math.floor(took.length * 0.99)] ?? 0];
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
}

/** The limits of the figures. */
function jobBars(figures: ReadonlyMap<string, Figures>): (Bar | OpenBar)[] {
  const [full, normal] = [figures.get("SQLite FULL") ?? {}, figures.get("SQLite NORMAL") ?? {}];
  const redis = figures.get("Redis");
  const postgres = figures.get("PostgreSQL");
  const bars: (Bar | OpenBar)[] = [];
  const ratio = (what: string, ours: Figures, theirs: Figures, atLeast: number): void => {
    const [a, b] = [ours["jobs"] ?? 0, theirs["jobs"] ?? 1];
    bars.push(barOf(`jobs/s, ${what}`, a / b, { atLeast }, { ours: a, theirs: b }));
  };
  if (redis === undefined) bars.push({ bar: "jobs beside Redis", why: String(withoutRedis) });
  else {
    ratio("NORMAL × BullMQ on Redis", normal, redis, 1.5);
    ratio("FULL × BullMQ on Redis", full, redis, 1);
    for (const [level, ours] of [
      ["NORMAL", normal],
      ["FULL", full],
    ] as const)
      for (const name of ["in p50", "in p99", "across p50", "across p99"]) {
        const [a, b] = [ours[name] ?? 0, redis[name] ?? 1];
        const seen = { ours: Math.round(a * 100) / 100, theirs: Math.round(b * 100) / 100 };
        bars.push(barOf(`pick-up ${name}, ${level} × Redis`, a / b, { atMost: 1 }, seen));
      }
  }
  if (postgres === undefined)
    bars.push({ bar: "jobs beside PostgreSQL", why: String(withoutPostgres) });
  else ratio("FULL × BullMQ on PostgreSQL", full, postgres, 2);
  return bars;
}

function table(figures: ReadonlyMap<string, Figures>): string[] {
  const names = Object.keys([...figures.values()][0] ?? {});
  return formatTable([
    ["", ...names],
    ...[...figures].map(([side, values]) => [
      side,
      ...names.map((name) => {
        const value = values[name] ?? 0;
        return value < 100 ? value.toFixed(2) : String(Math.round(value));
      }),
    ]),
  ]);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string" },
      table: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  prepareDist();
  if (values.table) preparePeers();
  const before = machine();
  console.log(describeMachine(before));
  const rounds = Number(values.rounds ?? ROUNDS);
  const figures = await withScope((scope) => measureJobs(scope, rounds, values.table));
  for (const line of table(figures)) console.log(line);
  const bars = jobBars(figures);
  for (const bar of bars) console.log(describeBar(bar));
  console.log(writeResult("jobs", { machine: before, figures: Object.fromEntries(figures), bars }));
  process.exitCode = bars.every((bar) => "why" in bar || bar.met) ? 0 : 1;
}
