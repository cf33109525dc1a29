import { existsSync, readFileSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createPostgresBackend, createRedisBackend, type Job, Queue, Worker } from "bullmq";
import { pino } from "pino";

import type { Run } from "../../../src/jobs/api.ts";
import { parseFailure } from "../../../src/jobs/failure.ts";
import type { Jobs } from "../../../src/jobs/jobs.ts";
import { JobServer, type JobServerOptions } from "../../../src/jobs/server/server.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/factory.ts";
import {
  cleanUp,
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";

/** A store of its own, and what tests of the server need around it. */
export interface World {
  readonly directory: string;
  readonly store: string;
  queue(name: string): Queue;
  /** Has BullMQ's own worker end the jobs of a queue. */
  work(name: string): void;
  serve(options?: Partial<JobServerOptions>): Promise<JobServer>;
  /** The lines that handlers have noted. */
  notes(): string[];
}

/** @param url - of a store of its own. Default: a file */
export function makeWorld(scope: Scope, url?: string): World {
  const directory = temporaryDirectory(scope);
  const store = url ?? `sqlite:${join(directory, "jobs.db")}`;
  const [factory, connection] = bullStore(store);
  const notesFile = join(directory, "notes");
  process.env["NOTES"] = notesFile;
  return {
    directory,
    store,
    queue(name) {
      const queue = new Queue(name, { connection } as never, factory as never);
      queue.on("error", () => undefined);
      cleanUp(scope, () => queue.close());
      return queue;
    },
    work(name) {
      const worker = new Worker(name, async () => null, { connection } as never, factory as never);
      worker.on("error", () => undefined);
      cleanUp(scope, () => worker.close());
    },
    async serve(options = {}) {
      const server = await JobServer.start({
        store,
        modules: [fixture("jobs")],
        processes: 2,
        graceMs: 2_000,
        lockMs: 15_000,
        log: pino({ level: process.env["LOG"] ?? "silent" }),
        ...options,
      });
      cleanUp(scope, () => server.stop());
      return server;
    },
    notes: () =>
      existsSync(notesFile) ? readFileSync(notesFile, "utf8").trimEnd().split("\n") : [],
  };
}

/** What BullMQ's own classes take for a store. */
function bullStore(url: string): readonly [factory: unknown, connection: unknown] {
  if (url.startsWith("redis:")) return [createRedisBackend, { url, maxRetriesPerRequest: null }];
  if (url.startsWith("postgres:"))
    return [createPostgresBackend, { connectionString: url, migrate: true }];
  return [createSqliteBackend, url];
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
}

/** The job when it has ended for good. */
export async function ended(queue: Queue, job: Pick<Job, "id">, limitMs = 240_000): Promise<Job> {
  let found: Job | undefined;
  await eventually(
    async () => {
      found = await queue.getJob(job.id ?? "");
      return found?.finishedOn !== undefined && found.finishedOn !== null;
    },
    `job ${job.id} has ended`,
    limitMs,
  );
  return found as Job;
}

/** The run when it has reached a state. */
export async function reaches(jobs: Jobs, id: string, state: Run["state"]): Promise<Run> {
  return eventually(
    async () => {
      const run = await jobs.get(id);
      return run?.state === state ? run : undefined;
    },
    `${id} is ${state}`,
    30_000,
  );
}

/** Why it failed: the code, or the message of what has none. */
export function codeOf({ failedReason }: Job): string {
  const { code, message } = parseFailure(failedReason);
  return code ?? message;
}

/** The first so many pids that a handler has noted. */
export async function pidsNoted(world: World, count: number): Promise<number[]> {
  return eventually(() => {
    const pids = world
      .notes()
      .filter((line) => line.startsWith("pids "))
      .flatMap((line) => line.split(" ").slice(1).map(Number));
    return pids.length >= count ? pids : undefined;
  }, `${count} pids are noted`);
}

/** Whether a process runs; a zombie does not. */
export function runs(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(path, "utf8"));
  } catch {
    return false;
  }
}

/**
 * A server in a process of its own, by the command line, once it takes jobs.
 *
 * @param env - in addition to the environment of the test
 */
export async function startServer(
  scope: Scope,
  world: World,
  args: readonly string[] = [],
  module = "jobs",
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const program = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
  const words = ["jobs", "server", "--store", world.store, "--modules", fixture(module)];
  return untilItRuns(scope, [program, ...words, "--processes", "3", ...args], env);
}

/** A server in a process of its own, with one process and locks of that many milliseconds. */
export function startShortServer(
  scope: Scope,
  world: World,
  lockMs: number,
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const words = [world.store, fixture("jobs"), String(lockMs)];
  return untilItRuns(scope, [fixture("server"), ...words], env);
}

async function untilItRuns(
  scope: Scope,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const child = startProcess(scope, process.execPath, words, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (text: Buffer) => (output += text.toString()));
  await eventually(() => output.includes("The job server runs."), "the server runs", 60_000);
  return child;
}
