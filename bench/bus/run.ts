// Publishes a second compared with the peers, the time of a shutdown, and the wake-ups of an idle bus.
// `--json FILE` writes the figures; the exit code is 1 when a bar of DESIGN §6 is missed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { setTimeout as later } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { cherryPy, peerPath, type Publish, publishers } from "./peers.ts";

const COUNTS = [1, 10, 100] as const;
const ROUNDS = 7;
const ROUND_MS = 150;
const IDLE_MS = 5_000;
const SHUTDOWNS = 7;

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

let calls = 0;
const listener = (value: number): void => {
  calls += value;
};

/** Publishes a second in one round. */
async function rate({ once: publish, asynchronous }: Publish): Promise<number> {
  const startMs = performance.now();
  let done = 0;
  do {
    if (asynchronous) for (let n = 0; n < 100; n += 1) await publish();
    else for (let n = 0; n < 100; n += 1) publish();
    done += 100;
  } while (performance.now() - startMs < ROUND_MS);
  return (done * 1_000) / (performance.now() - startMs);
}

/** Each publisher's median, the rounds alternating so that all meet the same machine. */
async function measurePublish(count: number): Promise<Map<string, number>> {
  const prepared = await Promise.all(
    (await publishers()).map(async ({ name, prepare }) => ({
      name,
      publish: await prepare(count, listener),
      rates: [] as number[],
    })),
  );
  for (let round = 0; round <= ROUNDS; round += 1)
    for (const { publish, rates } of prepared) {
      const value = await rate(publish);
      if (round > 0) rates.push(value);
    }
  return new Map(prepared.map(({ name, rates }) => [name, median(rates)]));
}

/** Milliseconds from SIGTERM to the end, median. */
async function measureShutdown(program: string, args: string[]): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < SHUTDOWNS; n += 1) {
    const path = fileURLToPath(new URL(program, import.meta.url));
    const child = spawn(process.execPath, [path, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await later(50);
    const startMs = performance.now();
    child.kill("SIGTERM");
    await once(child, "exit");
    times.push(performance.now() - startMs);
  }
  return median(times);
}

/** How often the main thread of an idle bus gives up the processor in 5 s. */
async function measureIdle(): Promise<number> {
  const path = fileURLToPath(new URL("idle.ts", import.meta.url));
  const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  await later(1_500);
  const switches = (): number => {
    const status = readFileSync(`/proc/${child.pid}/task/${child.pid}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  };
  const before = switches();
  await later(IDLE_MS);
  const wakeups = switches() - before;
  child.kill("SIGTERM");
  await once(child, "exit");
  return wakeups;
}

const { values: flags } = parseArgs({ options: { json: { type: "string" } } });
const publish: Record<string, Record<string, number>> = {};
for (const count of COUNTS) publish[count] = Object.fromEntries(await measurePublish(count));
const python = cherryPy();
for (const [count, value] of python ?? []) (publish[count] ??= {})["CherryPy"] = value;

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? "unknown processor"}`);
console.log("publishes a second, by listeners");
for (const name of Object.keys(publish[10] ?? {}))
  console.log(
    name.padEnd(20),
    COUNTS.map((count) => String(Math.round(publish[count]?.[name] ?? 0)).padStart(12)).join(""),
  );
if (python === undefined) console.log("CherryPy is not installed: no figure");

const grace = peerPath("close-with-grace");
const shutdownMs = {
  newel: await measureShutdown("shutdown-newel.ts", []),
  ...(grace === undefined
    ? {}
    : { "close-with-grace": await measureShutdown("shutdown-close-with-grace.ts", [grace]) }),
};
console.log("SIGTERM to the end, with a listener of 10 ms, in ms:", shutdownMs);
const idleWakeups = await measureIdle();
console.log(`wake-ups of an idle bus in ${IDLE_MS / 1_000} s: ${idleWakeups}`);

const ours = publish[10]?.["newel bus"] ?? 0;
const bars = [
  {
    bar: "publish to 10 listeners ≥ 0.5 × EventEmitter.emit",
    value: ours / (publish[10]?.["EventEmitter"] ?? Number.NaN),
    met: ours >= 0.5 * (publish[10]?.["EventEmitter"] ?? Number.NaN),
  },
  ...(python === undefined
    ? []
    : [
        {
          bar: "publish to 10 listeners ≥ 10 × CherryPy",
          value: ours / (python.get(10) ?? Number.NaN),
          met: ours >= 10 * (python.get(10) ?? Number.NaN),
        },
      ]),
  { bar: "idle bus ≤ 2 wake-ups in 5 s", value: idleWakeups, met: idleWakeups <= 2 },
];
for (const { bar, value, met } of bars)
  console.log(`${met ? "met   " : "MISSED"} ${bar}: ${value.toFixed(2)}`);
if (flags.json !== undefined)
  writeFileSync(flags.json, JSON.stringify({ publish, shutdownMs, idleWakeups, bars, calls }));
process.exitCode = bars.every(({ met }) => met) ? 0 : 1;
