import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Fault, Outcome, Point, Trial } from "./fault.ts";
import { lostOf, promised, survivorsOf } from "./kept.ts";

export const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));
const SHIM = fileURLToPath(new URL("shim.c", import.meta.url));

/** Why the suite cannot run here; `false` when it can. */
export const withoutCompiler: string | false =
  spawnSync("cc", ["--version"]).status === 0
    ? false
    : "needs a C compiler: apt-get install gcc libc6-dev";

/** Builds the shim. @returns its path */
export function buildShim(directory: string): string {
  const path = join(directory, "shim.so");
  const built = spawnSync(
    "cc",
    ["-O1", "-shared", "-fPIC", "-o", path, SHIM, "-ldl", "-lpthread"],
    {
      encoding: "utf8",
    },
  );
  if (built.status !== 0) throw new Error(built.stderr);
  return path;
}

const MOST_ANSWERS = 400;
const MOST_MS = 30_000;

/** Runs the programs of a trial until the power is cut, and compares their answers with the content of the files. */
export async function runTrial(shim: string, directory: string, trial: Trial): Promise<Outcome> {
  const { disk, state } = makeDisk(directory);
  const path = pathOf(trial, disk);
  const env = environment(shim, disk, state, trial.fault);
  await runPrograms(trial, path, env);
  if (trial.end !== "kill") cutPower(path, env);
  const trace = readTrace(state);
  const survivors = survivorsOf(path, trial.program, cacheAt(shim));
  return {
    reached: trace.includes("F"),
    answered: trace.filter((line) => line.startsWith("A ")).length,
    refused: trace.filter((line) => /^E (?!removing)/.test(line)).length,
    lost: lostOf(promised(trace, trial), survivors).length,
    problem: survivors.problem,
  };
}

function makeDisk(directory: string): { readonly disk: string; readonly state: string } {
  rmSync(directory, { recursive: true, force: true });
  const disk = join(directory, "disk");
  // Not below it are the files of Unix sockets, which no disk has.
  mkdirSync(join(disk, "sockets"), { recursive: true, mode: 0o700 });
  chmodSync(disk, 0o700);
  return { disk, state: join(directory, "state") };
}

/** The file of jobs, or the home of the kernel. */
function pathOf({ program }: Pick<Trial, "program">, disk: string): string {
  return program === "adder" || program === "control" ? join(disk, "jobs.db") : disk;
}

/** Takes unsynced bytes from the files. */
function cutPower(path: string, env: NodeJS.ProcessEnv): void {
  rmSync(`${path}-shm`, { force: true });
  const restored = spawnSync("true", { env: { ...env, FAULT_RESTORE: "1" } });
  if (restored.status !== 0)
    throw new Error(`the shim did not restore the disk: ${restored.status}`);
}

function readTrace(state: string): string[] {
  const trace = `${state}.trace`;
  return existsSync(trace) ? readFileSync(trace, "utf8").split("\n") : [];
}

/** A trial that is run without its fault, to count its calls; fewer answers do, since a fault in a late call ends late. */
const COUNTED_ANSWERS = 240;

/**
 * Counts the tracked calls of a program to which nothing happens.
 *
 * @returns how often each point is reached, by the point as {@link pointKey} has it
 */
export async function countCalls(
  shim: string,
  directory: string,
  trial: Omit<Trial, "fault">,
  points: readonly Point[],
): Promise<ReadonlyMap<string, number>> {
  const { disk, state } = makeDisk(directory);
  const counted = { ...trial, fault: NEVER };
  const path = pathOf(trial, disk);
  await runPrograms(counted, path, {
    ...environment(shim, disk, state, NEVER),
    FAULT_ACKS: String(COUNTED_ANSWERS),
    FAULT_LOG: "1",
  });
  // Ends the processes that the kernel has started.
  survivorsOf(path, trial.program, cacheAt(shim));
  const calls = readTrace(state)
    .filter((line) => line.startsWith("C "))
    .map((line) => line.split(" "));
  return new Map(
    points.map((point) => [
      pointKey(point),
      calls.filter(([, op, name = ""]) => op === point.op && name.endsWith(point.file)).length,
    ]),
  );
}

const NEVER: Fault = {
  op: "sync",
  file: "-wal",
  at: 1_000_000,
  failure: "EIO",
  cutAfter: 0,
};

/** A point as a key. */
export function pointKey({ op, file }: Point): string {
  return `${op} ${file}`;
}

/** The directory for compiled modules of the programs: most of a trial is the start of programs. */
function cacheAt(shim: string): string {
  return `${shim}.cache`;
}

function environment(shim: string, disk: string, state: string, fault: Fault): NodeJS.ProcessEnv {
  const { op, file, at, failure, cutAfter, times = 1, once = false, slowMs = 0 } = fault;
  return {
    PATH: process.env["PATH"],
    NODE_COMPILE_CACHE: cacheAt(shim),
    LD_PRELOAD: shim,
    UV_USE_IO_URING: "0",
    FAULT_DIR: disk,
    FAULT_STATE: state,
    FAULT_OP: op,
    FAULT_FILE: file,
    FAULT_AT: String(at),
    FAULT_CUT: String(cutAfter),
    FAULT_ACKS: String(MOST_ANSWERS),
    FAULT_ERRNO: String(failure === "ENOSPC" ? constants.errno.ENOSPC : constants.errno.EIO),
    FAULT_TIMES: String(times),
    FAULT_SLOW: String(slowMs * 1_000),
    ...(once ? { FAULT_ONCE: "1" } : {}),
    ...(failure === "short" ? { FAULT_SHORT: "1" } : {}),
  };
}

async function runPrograms(trial: Trial, path: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { program, sources = SOURCES, synchronous, processes, end = "power" } = trial;
  const mode = program === "kernel" ? end : synchronous;
  const file = fileURLToPath(new URL(`fixtures/${program}.ts`, import.meta.url));
  const children = Array.from({ length: processes }, (_, index) =>
    spawn(process.execPath, [file, sources, path, mode, `p${index}`], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    }),
  );
  const errors: string[] = [];
  for (const { stderr } of children)
    stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const cut = setTimeout(() => writeFileSync(`${String(env["FAULT_STATE"])}.cut`, ""), MOST_MS);
  const ends = await Promise.all(children.map((child) => once(child, "close")));
  clearTimeout(cut);
  // Only the power cut ends a program.
  if (ends.some(([, signal]) => signal !== "SIGKILL"))
    throw new Error(`a program ended by itself: ${errors.join("")}`);
}
