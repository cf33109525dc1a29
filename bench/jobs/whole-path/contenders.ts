import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Job, Queue, QueueEvents } from "bullmq";

import type * as JobsModule from "../../../src/jobs/index.ts";
import type { JobDefinition, Jobs } from "../../../src/jobs/index.ts";
import { eventually, type Scope, startProcess } from "../../../test/helpers/resources.ts";
import { sharedClock } from "../../../test/helpers/shared-clock.ts";
import { distProgram, fromDist } from "../../prepare.ts";
import { bullStore } from "./bull-store.ts";

/** The times of one job that a caller saw; milliseconds by the shared clock. */
interface Seen {
  readonly asked: number;
  /** When the handler began, as it says itself. */
  readonly began: number;
  /** The time at which the caller learned of the end. */
  readonly told: number;
}

/** One way to have jobs done: the caller's side here, and a process that does them. */
export interface Contender {
  readonly queue: string;
  enqueue(name: "noop" | "progress"): Promise<unknown>;
  /** One no-op from end to end. */
  follow(): Promise<Seen>;
  /** From a handler's call of `progress` to the caller's listener, in milliseconds. */
  progress(): Promise<number>;
  serve(scope: Scope): Promise<ChildProcess>;
  close(): Promise<void>;
}

const PROCESSES = 2;
export const NEWEL_MODULE: string = fileURLToPath(new URL("newel-jobs.mjs", import.meta.url));
const BULLMQ_WORKER: string = fileURLToPath(new URL("bullmq-worker.ts", import.meta.url));

/** The definitions of the bench, as the built newel has them. */
export interface Definitions {
  readonly noop: JobDefinition<undefined, number>;
  readonly progress: JobDefinition<undefined, void>;
  readonly held: JobDefinition<StandardSchemaV1<{ readonly notes: string }>, void>;
}

/** BullMQ's own classes; its handler in the worker's process, or sandboxed in children of it. */
export async function bullmq(store: string, how: "bare" | "sandboxed"): Promise<Contender> {
  const { factory, connection } = await bullStore(store);
  const queue = new Queue(how, { connection } as never, factory as never);
  const events = new QueueEvents(how, { connection } as never, factory as never);
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  const ended = async (job: Job): Promise<unknown> => job.waitUntilFinished(events);
  return {
    queue: how,
    enqueue: (name) => queue.add(name, {}),
    async follow() {
      const asked = sharedClock();
      const began = (await ended(await queue.add("noop", {}))) as number;
      return { asked, began, told: sharedClock() };
    },
    async progress() {
      const came = Promise.withResolvers<number>();
      events.once("progress", ({ data }) =>
        came.resolve(sharedClock() - Number((data as { note: string }).note)),
      );
      await ended(await queue.add("progress", {}));
      return came.promise;
    },
    serve: (scope) => startReady(scope, [BULLMQ_WORKER, store, how, how], "ready"),
    async close() {
      await events.close();
      await queue.close();
    },
  };
}

/** newel from `enqueue` over the job server to `events`. */
export async function newel(store: string): Promise<Contender> {
  const { Jobs } = await fromDist<typeof JobsModule>("jobs/index");
  const { noop, progress } = (await import(NEWEL_MODULE)) as Definitions;
  const jobs = new Jobs({ store });
  return {
    queue: noop.options.queue,
    enqueue: (name) => (name === "noop" ? jobs.enqueue(noop) : jobs.enqueue(progress)),
    async follow() {
      const asked = sharedClock();
      const { id } = await jobs.enqueue(noop);
      for await (const { state, result } of jobs.events(id))
        if (state === "done") return { asked, began: result as number, told: sharedClock() };
      throw new Error(`${id} was not done`);
    },
    progress: () => followProgress(jobs, progress),
    serve: (scope) => startServer(scope, store),
    close: () => jobs.close(),
  };
}

async function followProgress(jobs: Jobs, definition: Definitions["progress"]): Promise<number> {
  const { id } = await jobs.enqueue(definition);
  let took: number | undefined;
  for await (const { progress } of jobs.events(id))
    if (progress?.note !== undefined) took ??= sharedClock() - Number(progress.note);
  if (took === undefined) throw new Error(`${id} showed no progress`);
  return took;
}

export function startServer(scope: Scope, store: string): Promise<ChildProcess> {
  const args = ["--store", store, "--modules", NEWEL_MODULE, "--processes", String(PROCESSES)];
  return startReady(scope, [distProgram("cli/main"), "jobs", "server", ...args], "server runs");
}

async function startReady(
  scope: Scope,
  args: readonly string[],
  said: string,
): Promise<ChildProcess> {
  const child = startProcess(scope, process.execPath, [...extraArguments(), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout?.on("data", (text: Buffer) => (output += text.toString()));
  await eventually(() => output.includes(said), `${args.join(" ")} says ${said}`, 60_000);
  return child;
}

/** For a profile of the serving process: `BENCH_NODE_ARGS="--cpu-prof --cpu-prof-dir=DIR"`. */
function extraArguments(): readonly string[] {
  return (process.env["BENCH_NODE_ARGS"] ?? "").split(" ").filter((arg) => arg !== "");
}

/** Ends the serving process, as an operator does. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
