import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { eventually, startProcess, temporaryDirectory } from "../../test/helpers/resources.ts";
import { killProcessesOf } from "../../test/load/leftovers.ts";
import type { Ends } from "../../test/load/scope.ts";
import { pm2Pid, runPm2 } from "../tools/pm2-web.ts";
import { cpuSeconds } from "../tools/process-stat.ts";
import { type Bar, barOf, type OpenBar } from "./bar.ts";

const LIMIT_MS = 180_000;

/** The processor time that the same output costs the daemons of other tools. */
export async function compareCpu(
  scope: Ends,
  writer: readonly string[],
  bytes: number,
  oursSeconds: number,
): Promise<(Bar | OpenBar)[]> {
  const compare = (name: string, seconds: number, atMost: number): Bar =>
    barOf(
      `captured output, 200 MB in line writes, CPU × ${name}`,
      oursSeconds / seconds,
      { atMost },
      { "newel s": oursSeconds, [`${name} s`]: Math.round(seconds * 100) / 100 },
    );
  const bars: (Bar | OpenBar)[] = [compare("pm2", await measurePm2(scope, writer, bytes), 0.5)];
  if (spawnSync("supervisord", ["--version"]).status === 0)
    bars.push(compare("supervisord", await measureSupervisord(scope, writer, bytes), 1));
  else
    bars.push({
      bar: "captured output, CPU × supervisord: ≤ 1",
      why: "not measured, supervisord is not installed",
    });
  return bars;
}

async function measurePm2(scope: Ends, writer: readonly string[], bytes: number): Promise<number> {
  const directory = temporaryDirectory(scope);
  scope.after(async () => void (await killProcessesOf(directory)));
  const home = join(directory, "pm2");
  const log = join(directory, "log");
  await runPm2(scope, home, ["ping"]);
  const pid = pm2Pid(home);
  const before = cpuSeconds(pid);
  const [program = "", ...args] = writer;
  const options = ["--name", "w", "--no-autorestart", "-o", log, "-e", "/dev/null"];
  await runPm2(scope, home, ["start", program, ...options, "--", ...args]);
  await eventually(() => sizeOf(log) >= bytes, "pm2 has all output", LIMIT_MS);
  const seconds = cpuSeconds(pid) - before;
  await runPm2(scope, home, ["kill"]);
  return seconds;
}

async function measureSupervisord(
  scope: Ends,
  writer: readonly string[],
  bytes: number,
): Promise<number> {
  const directory = temporaryDirectory(scope);
  const log = join(directory, "log");
  const config = join(directory, "supervisord.conf");
  const text = [
    `[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=${directory}/pid`,
    `[program:w]\ncommand=${[process.execPath, ...writer].join(" ")}\nautorestart=false`,
    `startsecs=0\nstdout_logfile=${log}\nstdout_logfile_maxbytes=0\n`,
  ].join("\n");
  writeFileSync(config, text);
  const daemon = startProcess(scope, "supervisord", ["-c", config], { stdio: "ignore" });
  await eventually(() => sizeOf(log) >= bytes, "supervisord has all output", LIMIT_MS);
  const seconds = cpuSeconds(daemon.pid ?? 0);
  daemon.kill("SIGTERM");
  return seconds;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
