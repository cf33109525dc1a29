import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { temporaryDirectory } from "../../test/helpers/resources.ts";
import { type CommandResult, runProgram } from "../../test/load/command.ts";
import { killProcessesOf } from "../../test/load/leftovers.ts";
import type { Ends } from "../../test/load/scope.ts";
import { distProgram } from "../prepare.ts";
import { type Bar, barOf, median } from "./bar.ts";

const SERVICES = 50;
/** The numbers of services for `newel ps`, and its limit as a multiple of a bare Node.js. */
const PS_BARS = [
  { services: 50, times: 1.7 },
  { services: 200, times: 2 },
];
const UP_ROUNDS = 3;
const PS_ROUNDS = 15;

/** One service: a program that listens and says so. */
const listener = (port: number): string =>
  `require("node:net").createServer().listen(${port},"127.0.0.1",()=>console.log("listens"))`;

/** `newel up` of 50 services next to 50 spawns, and `newel ps` next to a bare Node.js. */
export async function measureCommandLine(scope: Ends): Promise<Bar[]> {
  const app = new ListenerApp(scope, await freePorts(SERVICES));
  await app.warmUp();
  const ups: number[] = [];
  const spawns: number[] = [];
  for (let round = 0; round < UP_ROUNDS; round += 1) {
    spawns.push(await spawnAll(app.ports));
    ups.push((await app.newel("up", "-c", app.config)).ms);
    await app.newel("down", "--app", "listeners");
  }
  await app.end();
  const [upMs, spawnMs] = [median(ups), median(spawns)];
  const bars = [
    barOf(
      "newel up of 50 listeners, × 50 spawns",
      median(ups.map((ms, round) => ms / (spawns[round] ?? Number.NaN))),
      { atMost: 3 },
      { "up ms": Math.round(upMs), "spawn ms": Math.round(spawnMs) },
    ),
  ];
  for (const bar of PS_BARS) bars.push(await measureList(scope, bar));
  return bars;
}

/** `newel ps` and a bare Node.js in turns, so that the load of the machine is the same for both. */
async function measureList(
  scope: Ends,
  { services, times }: (typeof PS_BARS)[number],
): Promise<Bar> {
  const app = new ListenerApp(scope, []);
  const sleepers = Array.from({ length: services }, (_, index) => [
    `s${index + 1}`,
    { run: ["/bin/sleep", "1000"], ready: { stable: "1ms" } },
  ]);
  await app.newel("up", "-c", app.write("sleepers", Object.fromEntries(sleepers)));
  await app.newel("ps");
  const lists: number[] = [];
  const bares: number[] = [];
  for (let round = 0; round < PS_ROUNDS; round += 1) {
    lists.push((await app.newel("ps")).ms);
    bares.push((await runProgram(scope, ["-e", "0"], { cwd: "/", env: process.env })).ms);
  }
  await app.end();
  return barOf(
    `newel ps of ${services} services, × node -e 0`,
    median(lists) / median(bares),
    { atMost: times },
    { "ps ms": Math.round(median(lists)), "node ms": Math.round(median(bares)) },
  );
}

/** An app of listeners, and a second one that keeps the supervisor up between the rounds. */
class ListenerApp {
  readonly ports: readonly number[];
  readonly config: string;
  readonly #keeper: string;
  readonly #scope: Ends;
  readonly #directory: string;

  constructor(scope: Ends, ports: readonly number[]) {
    this.#scope = scope;
    this.#directory = temporaryDirectory(scope);
    scope.after(async () => void (await killProcessesOf(this.#directory)));
    mkdirSync(join(this.#directory, "h"), { mode: 0o700 });
    this.ports = ports;
    this.config = this.write(
      "listeners",
      Object.fromEntries(
        ports.map((port, index) => [
          `s${index + 1}`,
          {
            run: [process.execPath, "-e", listener(port)],
            ready: { log: "listens" },
          },
        ]),
      ),
    );
    this.#keeper = this.write("keeper", { keeper: { run: "exec sleep 1000" } });
  }

  /** Brings the daemons up, and the command line's code into its cache. */
  async warmUp(): Promise<void> {
    await this.newel("up", "-c", this.#keeper);
    await this.newel("ps");
  }

  async end(): Promise<void> {
    await this.newel("down", "--all");
  }

  async newel(...args: string[]): Promise<CommandResult> {
    const result = await runProgram(this.#scope, [distProgram("cli/main"), ...args], {
      cwd: this.#directory,
      env: { ...process.env, NEWEL_HOME: join(this.#directory, "h") },
    });
    if (result.exitCode !== 0) throw new Error(`newel ${args.join(" ")}: ${result.stderr}`);
    return result;
  }

  write(name: string, services: object): string {
    const path = join(this.#directory, `${name}.config.mjs`);
    writeFileSync(path, `export default ${JSON.stringify({ name, services })};\n`);
    return path;
  }
}

/** The same programs by child_process.spawn: milliseconds until each listens. */
async function spawnAll(ports: readonly number[]): Promise<number> {
  const begin = performance.now();
  const children: ChildProcess[] = [];
  const listening = ports.map(async (port) => {
    const child = spawn(process.execPath, ["-e", listener(port)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    await once(child.stdout, "data");
  });
  await Promise.all(listening);
  const ms = performance.now() - begin;
  await Promise.all(
    children.map(async (child) => {
      child.kill("SIGKILL");
      await once(child, "exit");
    }),
  );
  return ms;
}

/** Ports that were free a moment ago, no two the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
