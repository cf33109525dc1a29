/**
 * One measurement in a process of its own: `side.ts JSON`. It prints its figures as a line of JSON; the task
 * `echo` prints when it began each job instead, as milliseconds since 1970.
 */
import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  Queue,
  Worker,
} from "bullmq";

import type * as SqliteJobs from "../../src/jobs/sqlite/index.ts";
import { fromDist } from "../prepare.ts";

export interface SideTask {
  readonly backend: "sqlite" | "redis" | "postgres";
  readonly connection: unknown;
  readonly task: "add" | "work" | "idle" | "echo" | "send";
  readonly queue: string;
  readonly count: number;
}

const CONCURRENCY = 10;
const IN_FLIGHT = 50;
const BULK = 500;
const PAUSE_MS = 12;

const task = JSON.parse(process.argv[2] ?? "{}") as SideTask;
const factory = await factoryOf(task.backend);
const options = { connection: task.connection } as never;
const TASKS = { add, work, idle, echo, send };
const figures = await TASKS[task.task](task);
process.stdout.write(`${JSON.stringify(figures)}\n`);

async function factoryOf(backend: SideTask["backend"]): Promise<BackendFactory<never, never>> {
  if (backend === "redis") return createRedisBackend as never;
  if (backend === "postgres") return createPostgresBackend as never;
  const built = await fromDist<typeof SqliteJobs>("jobs/sqlite/index");
  return built.createSqliteBackend as never;
}

function openQueue(name: string): Queue {
  return new Queue(name, options, factory as never);
}

function openWorker(name: string, handler: () => Promise<unknown>, concurrency: number): Worker {
  return new Worker(
    name,
    handler,
    { connection: task.connection, concurrency } as never,
    factory as never,
  );
}

/** Jobs added a second: one at a time, many in flight, in bulk. */
async function add({ queue: name, count }: SideTask): Promise<object> {
  const queue = openQueue(name);
  await queue.waitUntilReady();
  const single = await rate(Math.ceil(count / 10), async (n) => {
    for (let i = 0; i < n; i += 1) await queue.add("n", { i });
  });
  const parallel = await rate(count, async (n) => {
    for (let i = 0; i < n; i += IN_FLIGHT)
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => queue.add("n", { i })));
  });
  const bulk = await rate(count, async (n) => {
    for (let i = 0; i < n; i += BULK)
      await queue.addBulk(Array.from({ length: BULK }, () => ({ name: "n", data: { i } })));
  });
  await queue.obliterate({ count: 10_000 });
  await queue.close();
  return { single, parallel, bulk };
}

async function rate(count: number, run: (count: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  await run(count);
  return Math.round((count * 1_000) / (performance.now() - start));
}

/** Jobs a second, from the first handler's beginning to the last one's end; what the process took. */
async function work({ queue: name, count }: SideTask): Promise<object> {
  const queue = openQueue(name);
  for (let i = 0; i < count; i += BULK)
    await queue.addBulk(Array.from({ length: BULK }, () => ({ name: "n", data: { i } })));
  const { promise, resolve } = Promise.withResolvers<void>();
  const cpuBefore = process.cpuUsage();
  let done = 0;
  let start = 0;
  const handler = async (): Promise<void> => {
    if (start === 0) start = performance.now();
    done += 1;
    if (done === count) resolve();
  };
  const worker = openWorker(name, handler, CONCURRENCY);
  await promise;
  const jobs = Math.round((count * 1_000) / (performance.now() - start));
  const { user, system } = process.cpuUsage(cpuBefore);
  const rssMb = Math.round(process.memoryUsage.rss() / 1e6);
  await worker.close();
  const completed = await queue.getCompletedCount();
  if (completed !== count) throw new Error(`${completed} of ${count} are completed`);
  await queue.close();
  return { jobs, cpuUs: Math.round((user + system) / count), rssMb };
}

/** From `add` to the handler's beginning, in one process, when nothing else is to do. */
async function idle({ queue: name, count }: SideTask): Promise<object> {
  const queue = openQueue(name);
  let began: (at: number) => void = () => undefined;
  const worker = openWorker(name, async () => began(performance.now()), 1);
  await worker.waitUntilReady();
  const took: number[] = [];
  for (let i = 0; i < count; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const { promise, resolve } = Promise.withResolvers<number>();
    began = resolve;
    const start = performance.now();
    await queue.add("n", { i });
    took.push((await promise) - start);
  }
  await worker.close();
  await queue.close();
  return percentiles(took);
}

/** Tells when it began each job. */
async function echo({ queue: name }: SideTask): Promise<never> {
  const handler = async (): Promise<void> => {
    process.stdout.write(`${performance.timeOrigin + performance.now()}\n`);
  };
  const worker = openWorker(name, handler, 1);
  await worker.waitUntilReady();
  process.stdout.write("ready\n");
  process.on("SIGTERM", () => void worker.close().then(() => process.exit(0)));
  return new Promise(() => undefined);
}

/** Adds jobs with a pause between, and gives when it asked for each. */
async function send({ queue: name, count }: SideTask): Promise<object> {
  const queue = openQueue(name);
  await queue.waitUntilReady();
  const asked: number[] = [];
  for (let i = 0; i < count; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    asked.push(performance.timeOrigin + performance.now());
    await queue.add("n", { i });
  }
  await queue.close();
  return asked;
}

function percentiles(took: readonly number[]): object {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
