import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { startProcess, temporaryDirectory } from "../../test/helpers/resources.ts";
import type { Ends } from "../../test/load/scope.ts";
import { type BenchKernel, runToEnd, startKernel } from "../tools/kernel.ts";
import { cpuSeconds, residentBytes } from "../tools/process-stat.ts";
import { type Bar, barOf, median, type OpenBar } from "./bar.ts";
import { compareCpu } from "./output-peers.ts";

/** Prints numbered lines of 100 bytes. */
const WRITER: string = fileURLToPath(
  new URL("../../test/fixtures/programs/lines.mjs", import.meta.url),
);
const LINES = 2_000_000;
const BYTES = LINES * 100;
/** Line writes take the writer several times as long, and are steadier for it. */
const ROUNDS: Readonly<Record<Mode, number>> = { line: 3, block: 9 };
/** More than the heap of a warm kernel changes by itself; 200 MB of output would be far above. */
const FLAT_BYTES = 16e6;
const BLOCKED_MS = 5;
const LOOP_ATTEMPTS = 5;

type Mode = "line" | "block";

const writerArgs = (mode: Mode): string[] => [WRITER, String(LINES), mode];

/** The cost of 200 MB of captured output. */
interface Capture {
  readonly ms: number;
  readonly cpuSeconds: number;
}

/** Captured output compared with `cat`, the same writer alternating; the kernel's memory at the same time. */
export async function measureOutput(scope: Ends): Promise<(Bar | OpenBar)[]> {
  const kernel = await startKernel(scope);
  const directory = temporaryDirectory(scope);
  // The first run warms both up, and the disk's cache.
  await captureByKernel(kernel, "block");
  await captureByCat(directory, "block");
  const before = residentBytes(kernel.pid);
  let peak = before;
  const meter = setInterval(() => (peak = Math.max(peak, residentBytes(kernel.pid))), 50);
  scope.after(() => clearInterval(meter));
  const bars: (Bar | OpenBar)[] = [];
  let lineCpuSeconds = Number.NaN;
  for (const mode of ["line", "block"] as const) {
    const rounds: { readonly ours: Capture; readonly catMs: number }[] = [];
    for (let round = 0; round < ROUNDS[mode]; round += 1) {
      const ours = await captureByKernel(kernel, mode);
      rounds.push({ ours, catMs: await captureByCat(directory, mode) });
    }
    const ourCpuSeconds = median(rounds.map(({ ours }) => ours.cpuSeconds));
    if (mode === "line") lineCpuSeconds = ourCpuSeconds;
    bars.push(
      barOf(
        `captured output, 200 MB in ${mode} writes, × cat`,
        // Each is compared with its neighbour, which met the same machine.
        median(rounds.map(({ ours, catMs }) => catMs / ours.ms)),
        { atLeast: 0.8 },
        {
          "newel ms": Math.round(median(rounds.map(({ ours }) => ours.ms))),
          "cat ms": Math.round(median(rounds.map(({ catMs }) => catMs))),
          "kernel CPU s": ourCpuSeconds,
        },
      ),
    );
  }
  clearInterval(meter);
  const grewMb = (peak - before) / 1e6;
  bars.push(
    barOf("kernel memory, growth under 2.4 GB of output", grewMb, {
      atMost: FLAT_BYTES / 1e6,
      unit: "MB",
    }),
  );
  await kernel.end();
  return [...bars, ...(await compareCpu(scope, writerArgs("line"), BYTES, lineCpuSeconds))];
}

/** 200 MB through a kernel, all of it kept. */
async function captureByKernel(kernel: BenchKernel, mode: Mode): Promise<Capture> {
  const { client, pid } = kernel;
  const name = `writer.${mode}`;
  const args = [process.execPath, ...writerArgs(mode)];
  const cpu = cpuSeconds(pid);
  const begin = performance.now();
  await runToEnd(client, { name, args, bufsize: 512 << 20 });
  const ms = performance.now() - begin;
  const [info] = await client.processes.list(name);
  if (info?.output.out?.end !== BYTES) throw new Error(`kept ${JSON.stringify(info?.output)}`);
  await client.processes.remove(name);
  return { ms, cpuSeconds: Math.round((cpuSeconds(pid) - cpu) * 100) / 100 };
}

/** The same from a FIFO into a file with `cat`: milliseconds. */
async function captureByCat(directory: string, mode: Mode): Promise<number> {
  const [fifo, file] = [join(directory, "fifo"), join(directory, "file")];
  rmSync(fifo, { force: true });
  if (spawnSync("mkfifo", [fifo]).status !== 0) throw new Error("mkfifo failed");
  const begin = performance.now();
  const cat = spawn("/bin/sh", ["-c", `exec cat ${fifo} > ${file}`], { stdio: "ignore" });
  const ended = once(cat, "exit");
  const out = openSync(fifo, "w");
  // In its own session, as the kernel's processes are: Linux shares processors by session.
  const writer = spawn(process.execPath, writerArgs(mode), {
    stdio: ["ignore", out, "inherit"],
    detached: true,
  });
  closeSync(out);
  await Promise.all([once(writer, "exit"), ended]);
  const ms = performance.now() - begin;
  if (statSync(file).size !== BYTES) throw new Error(`cat kept ${statSync(file).size} bytes`);
  rmSync(file);
  return ms;
}

/** 40 processes that print and end at once: how many bytes are missing. */
export async function measureLastWords(scope: Ends): Promise<Bar> {
  const kernel = await startKernel(scope);
  const { client } = kernel;
  const args = ["/bin/sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x"];
  const env = { PATH: process.env["PATH"] ?? "" };
  const names = Array.from({ length: 40 }, (_, index) => `burst.${index}`);
  await Promise.all(names.map((name) => runToEnd(client, { name, args, env })));
  const list = await client.processes.list();
  const kept = list.reduce((sum, { output }) => sum + (output.out?.end ?? 0), 0);
  await kernel.end();
  return barOf("40 children that print 300 kB and exit, bytes lost", 40 * 300_000 - kept, {
    atMost: 0,
  });
}

/**
 * The longest time the kernel's main loop was blocked while 200 MB came in, twice. An idle Node.js is
 * watched at the same time: if that one stands still too, the machine is the cause, and the attempt shows nothing.
 */
export async function measureLoop(scope: Ends): Promise<Bar | OpenBar> {
  const what = "main loop of the kernel under output, blocked at most";
  const told: number[] = [];
  for (let attempt = 0; attempt < LOOP_ATTEMPTS; attempt += 1) {
    const { blockedMs, idleMs } = await watchLoop(scope);
    if (blockedMs <= BLOCKED_MS || idleMs <= BLOCKED_MS) told.push(blockedMs);
    if (blockedMs <= BLOCKED_MS) break;
  }
  if (told.length === 0)
    return {
      bar: `${what}: ≤ ${BLOCKED_MS} ms`,
      why: "not measurable now, an idle node stalls too",
    };
  return barOf(what, Math.min(...told), { atMost: BLOCKED_MS, unit: "ms" });
}

async function watchLoop(
  scope: Ends,
): Promise<{ readonly blockedMs: number; readonly idleMs: number }> {
  const directory = temporaryDirectory(scope);
  const [ours, theirs] = [join(directory, "kernel"), join(directory, "idle")];
  const preload = ["--import", new URL("../tools/loop-watch.mjs", import.meta.url).href];
  process.env["LOOP_WATCH"] = ours;
  const kernel = await startKernel(scope, preload);
  delete process.env["LOOP_WATCH"];
  const idle = startProcess(
    scope,
    process.execPath,
    [...preload, "-e", "process.stdin.on('end', () => process.exit()).resume()"],
    { stdio: ["pipe", "ignore", "inherit"], env: { ...process.env, LOOP_WATCH: theirs } },
  );
  await sleep(1_500);
  for (const mode of ["line", "block"] as const) await captureByKernel(kernel, mode);
  const ended = once(idle, "exit");
  idle.stdin?.end();
  await Promise.all([ended, kernel.end()]);
  return { blockedMs: readNumber(ours), idleMs: readNumber(theirs) };
}

function readNumber(path: string): number {
  return Number(readFileSync(path, "utf8"));
}
