/**
 * One measurement in a separate process: `side.ts JSON`. It prints its figures as a line of JSON; the task
 * `echo` prints when it began each job instead.
 */
import { sharedClock } from "../../test/helpers/shared-clock.ts";
import { postgres, redis, sqlite } from "./contenders/bullmq.ts";
import type { OpenContender } from "./contenders/contender.ts";
import { pgBoss } from "./contenders/pg-boss.ts";
import { plainjob } from "./contenders/plainjob.ts";
import { prototype } from "./contenders/prototype.ts";

const CONTENDERS = { sqlite, redis, postgres, prototype, plainjob, pgBoss } satisfies Record<
  string,
  OpenContender
>;

export interface SideTask {
  readonly contender: keyof typeof CONTENDERS;
  readonly connection: unknown;
  readonly task: keyof typeof TASKS;
  readonly queue: string;
  readonly count: number;
}

const CONCURRENCY = 10;
const IN_FLIGHT = 50;
const BULK = 500;
const PAUSE_MS = 12;
/** Pick-ups before those that count, and the pause between them: until then Node.js compiles the code of each contender. */
const WARM_UP = 600;
const WARM_UP_PAUSE_MS = 2;

const TASKS = { add, work, idle, echo, send };
const task = JSON.parse(process.argv[2] ?? "{}") as SideTask;
const contender = await CONTENDERS[task.contender](task.connection, task.queue);
const figures = await TASKS[task.task](task.count);
process.stdout.write(`${JSON.stringify(figures)}\n`);

/** Jobs added a second: one at a time, many in flight, in bulk. */
async function add(count: number): Promise<object> {
  const single = await rate(Math.ceil(count / 10), 1, (i) => contender.add(i));
  const parallel = await rate(count, IN_FLIGHT, (i) =>
    Promise.all(numbers(IN_FLIGHT, i).map((number) => contender.add(number))),
  );
  const bulk = await rate(count, BULK, (i) => contender.addBulk(numbers(BULK, i)));
  await contender.close();
  return { single, parallel, bulk };
}

function numbers(count: number, from: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

async function rate(
  count: number,
  step: number,
  run: (from: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i += step) await run(i);
  return Math.round((count * 1_000) / (performance.now() - start));
}

/** Jobs a second, from the first handler's beginning to the last one's end; the processor time of the process. */
async function work(count: number): Promise<object> {
  for (let i = 0; i < count; i += BULK) await contender.addBulk(numbers(BULK, i));
  const { promise, resolve } = Promise.withResolvers<void>();
  const cpuBefore = process.cpuUsage();
  let done = 0;
  let start = 0;
  const end = await contender.work(() => {
    if (start === 0) start = performance.now();
    done += 1;
    if (done === count) resolve();
  }, CONCURRENCY);
  await promise;
  const jobs = Math.round((count * 1_000) / (performance.now() - start));
  const { user, system } = process.cpuUsage(cpuBefore);
  const rssMb = Math.round(process.memoryUsage.rss() / 1e6);
  await completed(count);
  await end();
  await contender.close();
  return { jobs, cpuUs: Math.round((user + system) / count), rssMb };
}

async function completed(count: number): Promise<void> {
  for (let look = 0; (await contender.completed()) !== count; look += 1) {
    if (look === 100) throw new Error(`${await contender.completed()} of ${count} are completed`);
    await pause(20);
  }
}

/** From `add` to the handler's beginning, in one process, when nothing else is to do. */
async function idle(count: number): Promise<object> {
  let began: (at: number) => void = () => undefined;
  const end = await contender.work(() => began(performance.now()), 1);
  const took: number[] = [];
  for (let i = -WARM_UP; i < count; i += 1) {
    await pause(i < 0 ? WARM_UP_PAUSE_MS : PAUSE_MS);
    const { promise, resolve } = Promise.withResolvers<number>();
    began = resolve;
    const start = performance.now();
    await contender.add(i);
    const ms = (await promise) - start;
    if (i >= 0) took.push(ms);
  }
  await end();
  await contender.close();
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Prints the start time of each job that counts. */
async function echo(): Promise<never> {
  let begun = -WARM_UP;
  const end = await contender.work(() => {
    if (begun >= 0) process.stdout.write(`${sharedClock()}\n`);
    begun += 1;
  }, 1);
  process.stdout.write("ready\n");
  process.on("SIGTERM", () => void end().then(() => process.exit(0)));
  return new Promise(() => undefined);
}

/** Adds jobs with a pause between, and gives when it asked for each that counts. */
async function send(count: number): Promise<object> {
  const asked: number[] = [];
  for (let i = -WARM_UP; i < count; i += 1) {
    await pause(i < 0 ? WARM_UP_PAUSE_MS : PAUSE_MS);
    if (i >= 0) asked.push(sharedClock());
    await contender.add(i);
  }
  await contender.close();
  return asked;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
