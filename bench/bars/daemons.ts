import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { temporaryDirectory } from "../../test/helpers/resources.ts";
import { killProcessesOf } from "../../test/load/leftovers.ts";
import type { Ends } from "../../test/load/scope.ts";
import { BENCH_DIRECTORY } from "../prepare.ts";
import { privateBytes } from "../tools/process-stat.ts";
import { type Bar, barOf, median } from "./bar.ts";
import { installedNewel } from "./installed.ts";

const ROUNDS = 3;
/** Until a daemon has collected its garbage: it looks every 5 s whether it is idle. */
const SETTLE_MS = 16_000;

/** The private memory of kernel and supervisor, idle with one service, next to pm2's daemon with one. */
export async function measureDaemons(scope: Ends): Promise<Bar[]> {
  const kernel: number[] = [];
  const supervisor: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = await measureNewel(scope);
    kernel.push(bytes.kernel);
    supervisor.push(bytes.supervisor);
  }
  const pm2 = await measurePm2(scope);
  const mb = (values: readonly number[]): number => Math.round(median(values) / 1e5) / 10;
  return [
    barOf(
      "kernel and supervisor idle with one service, private memory",
      median(kernel.map((bytes, round) => bytes + (supervisor[round] ?? Number.NaN))) / 1e6,
      { atMost: 26, unit: "MB" },
      { "kernel MB": mb(kernel), "supervisor MB": mb(supervisor), "pm2 MB": mb([pm2]) },
    ),
  ];
}

async function measureNewel(scope: Ends): Promise<{ kernel: number; supervisor: number }> {
  const { command } = installedNewel(scope);
  const directory = temporaryDirectory(scope);
  scope.after(async () => void (await killProcessesOf(directory)));
  const home = join(directory, "h");
  const config = { name: "idle", services: { idle: { run: "exec sleep 1000" } } };
  writeFileSync(join(directory, "newel.config.json"), JSON.stringify(config));
  const newel = (...args: string[]): void =>
    run(process.execPath, [command, ...args], directory, { NEWEL_HOME: home });
  newel("up");
  await sleep(SETTLE_MS);
  const bytesOf = (daemon: string): number =>
    privateBytes(Number(readFileSync(join(home, `${daemon}.lock`), "utf8")));
  const bytes = { kernel: bytesOf("kernel"), supervisor: bytesOf("supervisor") };
  newel("down", "--all");
  return bytes;
}

async function measurePm2(scope: Ends): Promise<number> {
  const directory = temporaryDirectory(scope);
  scope.after(async () => void (await killProcessesOf(directory)));
  const program = join(BENCH_DIRECTORY, "node_modules/pm2/bin/pm2");
  const env = { PM2_HOME: directory };
  // The daemon inherits the output, so a pipe would stay open.
  const child = spawn(
    process.execPath,
    [program, "start", "/bin/sleep", "--interpreter", "none", "--", "1000"],
    { cwd: directory, env: { ...process.env, ...env }, stdio: "ignore" },
  );
  await new Promise((resolve) => child.once("exit", resolve));
  await sleep(SETTLE_MS);
  const pid = Number(readFileSync(join(directory, "pm2.pid"), "utf8"));
  if (!readdirSync("/proc").includes(String(pid))) throw new Error("pm2's daemon does not run");
  const bytes = privateBytes(pid);
  run(process.execPath, [program, "kill"], directory, env);
  return bytes;
}

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): void {
  const { status } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "ignore",
  });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`);
}
