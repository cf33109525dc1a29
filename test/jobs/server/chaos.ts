import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { eventually, type Scope, startProcess } from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { WallClock, withoutFaketime } from "../../helpers/wall-clock.ts";
import { fixture, makeWorld, startServer, type World } from "./world.ts";

export interface ChaosOptions {
  /** The lowest number of runs, and the number of blows during them: kills, stops and steps of the clock. */
  readonly jobs: number;
  readonly kills: number;
  /** The longest pause between two kills, in milliseconds. */
  readonly pauseMs: number;
  /** Servers at once, and processes of each. */
  readonly servers: number;
  readonly processes: number;
  /** The longest time that a server is stopped by SIGSTOP, in milliseconds: less than its locks last. */
  readonly stopMs: number;
}

/** The observations; `problems` is empty when all checks hold. */
export interface ChaosReport {
  readonly runs: number;
  readonly kills: Readonly<Record<Victim, number>>;
  /** Attempts beyond the first of each run. */
  readonly retries: number;
  /** How often the handler began, and how often a run was lost by the counts of its job. */
  readonly executions: number;
  readonly losses: number;
  readonly problems: readonly string[];
}

type Victim = "worker" | "server" | "producer" | "stopped" | "clock";
const VICTIMS: readonly Victim[] = [
  ...(["worker", "server", "producer", "stopped"] as const),
  ...(withoutFaketime === false ? (["clock"] as const) : []),
];
/** How far the wall clock of all processes is set from the machine's, in seconds. */
const CLOCKS = [-3_600, -40, 0, 40, 3_600] as const;

/**
 * Kills pool workers, the job server and the process that enqueues, stops servers and steps the wall clock, at random,
 * while runs are enqueued and executed; then looks whether each run that was enqueued is done, and its attempts were
 * counted.
 */
export async function wreak(scope: Scope, options: ChaosOptions): Promise<ChaosReport> {
  const world = makeWorld(scope);
  const chaos = new Chaos(scope, world, options);
  await chaos.run();
  return chaos.report();
}

class Chaos {
  readonly #scope: Scope;
  readonly #world: World;
  readonly #options: ChaosOptions;
  readonly #ackedFile: string;
  readonly #kills: Record<Victim, number> = {
    worker: 0,
    server: 0,
    producer: 0,
    stopped: 0,
    clock: 0,
  };
  readonly #clock: WallClock;
  readonly #servers: (ChildProcess | undefined)[];
  #producer: ChildProcess | undefined;

  constructor(scope: Scope, world: World, options: ChaosOptions) {
    this.#scope = scope;
    this.#world = world;
    this.#options = options;
    this.#servers = Array.from({ length: options.servers }, () => undefined);
    this.#ackedFile = join(world.directory, "acked");
    this.#clock = new WallClock(join(world.directory, "clock"));
  }

  async run(): Promise<void> {
    const { kills, pauseMs } = this.#options;
    await this.#keepUp();
    for (let killed = 0; killed < kills;) {
      await sleep(Math.random() * pauseMs);
      await this.#keepUp();
      const victim = VICTIMS[Math.floor(Math.random() * VICTIMS.length)] ?? "worker";
      if (!(await this.#kill(victim))) continue;
      this.#kills[victim] += 1;
      killed += 1;
    }
    this.#clock.step(0);
    // The producer waits while many runs wait, so the rest takes as long as the runs: only a standstill is a fault.
    for (let acked = -1; this.#hasMore();) {
      acked = await eventually(
        async () => {
          await this.#keepUp();
          const { size } = this.#acked();
          return size > acked || !this.#hasMore() ? size : undefined;
        },
        "another run is enqueued",
        600_000,
      );
      await sleep(1_000);
    }
  }

  /** Restarts a killed process, as a process manager does. */
  async #keepUp(): Promise<void> {
    const processes = ["--processes", String(this.#options.processes)];
    await Promise.all(
      this.#servers.map(async (server, at) => {
        if (isRunning(server)) return;
        this.#servers[at] = await startServer(
          this.#scope,
          this.#world,
          processes,
          "chaos-jobs",
          this.#clock.env,
        );
      }),
    );
    if (isRunning(this.#producer) || !this.#hasMore()) return;
    const to = this.#wanted();
    const args = [this.#world.store, this.#ackedFile, String(this.#firstMissing()), String(to)];
    this.#producer = startProcess(
      this.#scope,
      process.execPath,
      [fixture("chaos-producer"), ...args],
      { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...this.#clock.env } },
    );
  }

  /** Keeps enqueueing as long as processes are killed. */
  #wanted(): number {
    const killed = Object.values(this.#kills).reduce((sum, each) => sum + each, 0);
    const { jobs, kills } = this.#options;
    return killed < kills ? Math.max(jobs, this.#acked().size + jobs / 10) : jobs;
  }

  #hasMore(): boolean {
    return this.#firstMissing() < this.#wanted();
  }

  async #kill(victim: Victim): Promise<boolean> {
    if (victim === "worker") return this.#killWorker();
    if (victim === "clock") {
      this.#clock.step(CLOCKS[Math.floor(Math.random() * CLOCKS.length)] ?? 0);
      return true;
    }
    const server = this.#servers[Math.floor(Math.random() * this.#servers.length)];
    const child = victim === "producer" ? this.#producer : server;
    if (child === undefined || !isRunning(child)) return false;
    if (victim === "stopped") {
      child.kill("SIGSTOP");
      setTimeout(() => child.kill("SIGCONT"), Math.random() * this.#options.stopMs);
      return true;
    }
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    return true;
  }

  /** One that began a run lately, if it is ours still. */
  #killWorker(): boolean {
    const lines = this.#world.notes().slice(-5);
    const line = lines[Math.floor(Math.random() * lines.length)] ?? "";
    const pid = Number(line.split(" ")[3]);
    if (!Number.isInteger(pid) || !this.#isOurs(pid)) return false;
    sendSignal(pid, "SIGKILL");
    return true;
  }

  #isOurs(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(this.#world.directory);
    } catch {
      // It has ended, or was never ours.
      return false;
    }
  }

  /** The id of each run that was acknowledged, by its number. */
  #acked(): Map<number, string> {
    const text = existsSync(this.#ackedFile) ? readFileSync(this.#ackedFile, "utf8") : "";
    // A killed process may leave half a line.
    const lines = text.split("\n").slice(0, -1);
    return new Map(
      lines.map((line) => {
        const [n, id = ""] = line.split(" ");
        return [Number(n), id];
      }),
    );
  }

  #firstMissing(): number {
    const acked = this.#acked();
    let n = 0;
    while (acked.has(n)) n += 1;
    return n;
  }

  async report(): Promise<ChaosReport> {
    await using jobs = new Jobs({ store: this.#world.store });
    const queue = this.#world.queue("default");
    const limitMs = 120_000 + this.#options.jobs * 50;
    await eventually(
      async () => {
        const counts = await queue.getJobCounts("waiting", "active", "delayed", "prioritized");
        return Object.values(counts).every((count) => count === 0);
      },
      "every run has ended",
      limitMs,
    );
    const acked = this.#acked();
    const notes = this.#world.notes();
    const began = attemptsBegun(notes);
    const begun = executionsOf(notes);
    const problems: string[] = notes.filter((line) => line.startsWith("overlap"));
    let [retries, executions, losses] = [0, 0, 0];
    for (const [n, id] of acked) {
      const run = await jobs.get(id);
      if (run?.state !== "done" || run.result !== n)
        problems.push(`${n} ${id} is ${run?.state}: ${run?.error?.message}`);
      const job = await queue.getJob(id.slice(id.indexOf("~") + 1));
      const made = job?.attemptsMade ?? 0;
      retries += Math.max(0, made - 1);
      const mine = begun.get(id) ?? 0;
      const lost = made - 1 + (job?.stalledCounter ?? 0);
      executions += mine;
      losses += lost;
      // A run may also be lost before its handler begins.
      if (mine > 1 + lost)
        problems.push(`${id}: ${mine} executions, but ${lost} losses are counted`);
      if (mine === 0) problems.push(`${id} is done, but was not executed`);
      if (made < (began.get(id) ?? 0))
        problems.push(`${id}: ${made} attempts are counted, ${began.get(id)} began`);
    }
    // A server that dies costs no attempt, a worker one.
    if (retries > this.#kills.worker)
      problems.push(`${retries} retries after ${this.#kills.worker} killed workers`);
    if (this.#kills.worker > 20 && retries === 0) problems.push("no retry was counted");
    const failed = await queue.getFailedCount();
    if (failed > 0) problems.push(`${failed} have failed`);
    return { runs: acked.size, kills: this.#kills, retries, executions, losses, problems };
  }
}

/** How often each run was executed. */
function executionsOf(notes: readonly string[]): Map<string, number> {
  const executions = new Map<string, number>();
  for (const line of notes) {
    const [what, id = ""] = line.split(" ");
    if (what === "begin") executions.set(id, (executions.get(id) ?? 0) + 1);
  }
  return executions;
}

/** The highest attempt that each run began. */
function attemptsBegun(notes: readonly string[]): Map<string, number> {
  const began = new Map<string, number>();
  for (const line of notes) {
    const [what, id = "", attempt] = line.split(" ");
    if (what !== "begin") continue;
    began.set(id, Math.max(began.get(id) ?? 0, Number(attempt)));
  }
  return began;
}

function isRunning(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}
