// Random programs on a pool, checked against its guarantees: every promise settles; a task begins
// at most once, and not after its cancel has reached its worker; no task is lost that had not
// begun, and the error of a lost task names the task that blocked its worker. A worker announces a
// task before it calls its function: a kill between the two loses this one task.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import { isNewelError } from "../../src/base/errors.ts";
import { Pool } from "../../src/pool/pool.ts";
import type * as ProgramModule from "./fixtures/program.ts";
import type { Order } from "./fixtures/program.ts";
import { fixture } from "./pools.ts";
import { sendSignal } from "../helpers/signals.ts";

/** A generator of numbers from 0 to 1 with a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Kind = Order["do"];
/** The number of tasks of each kind. */
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ["note", 10],
  ["wait", 8],
  ["block", 5],
  ["spin", 1],
  ["never", 2],
  ["throw", 3],
  ["exit", 1],
  ["post", 3],
  ["named", 3],
  ["read", 3],
  ["leave", 3],
];
/** The items of a stream, more than a generator may run ahead, and those that a reader that leaves reads. */
const ITEMS = 700;
const ITEMS_LEFT = 300;
const SETTLE_MS = 120_000;
const MS = 1_000_000n;

interface Seen {
  readonly order: Order;
  readonly isLimited: boolean;
  error: unknown;
  value: unknown;
  isSettled: boolean;
  /** The time by which its CANCEL had certainly left this process. */
  cancelled: bigint | undefined;
}

/** Runs one program; returns the violated guarantees. */
export async function runProgram(seed: number, directory: string): Promise<string[]> {
  const random = randomOf(seed);
  const upTo = (max: number): number => Math.floor(random() * max);
  const log = join(directory, `program-${seed}.log`);
  const kind = random() < 0.5 ? "process" : "thread";
  const pool = new Pool<typeof ProgramModule>({
    worker: fixture("program"),
    kind,
    size: random() < 0.3 ? { min: 1, max: 3 } : 1 + upTo(2),
    concurrency: [1, 2, 8, 256][upTo(4)] ?? 1,
    killMs: 50 + upTo(100),
    stallMs: 500,
    startMs: SETTLE_MS,
    backoff: { minMs: 1, maxMs: 20 },
    ...(random() < 0.3 ? { recycle: { tasks: 1 + upTo(10) } } : {}),
    onResult: () => undefined,
    onError: () => undefined,
  });
  const all: Seen[] = [];
  const settled: Promise<void>[] = [];
  for (let id = 0; id < 30; id += 1) {
    const order: Order = { id, do: pick(random), ms: upTo(40), log };
    const mustEnd = order.do === "spin" || order.do === "never";
    const how = mustEnd ? random() * 0.6 : random();
    const controller = new AbortController();
    const seen: Seen = {
      order,
      isLimited: how < 0.6,
      error: undefined,
      value: undefined,
      isSettled: false,
      cancelled: undefined,
    };
    all.push(seen);
    const limits =
      how < 0.3 ? { timeoutMs: 1 + upTo(300) } : how < 0.6 ? { signal: controller.signal } : {};
    settled.push(watch(seen, perform(pool, order, limits)));
    if (how >= 0.3 && how < 0.6) settled.push(sleep(upTo(200)).then(() => controller.abort()));
    if (random() < 0.05 && kind === "process") killOne(pool, upTo(3));
    if (random() < 0.3) await sleep(upTo(30));
  }
  const inTime = await Promise.race([
    Promise.all(settled).then(() => true),
    sleep(SETTLE_MS, false, { ref: false }),
  ]);
  const isClosed = await Promise.race([
    pool.close({ graceMs: 0 }).then(() => true),
    sleep(SETTLE_MS, false, { ref: false }),
  ]);
  const broken = inTime ? [] : all.filter((each) => !each.isSettled).map(hangs);
  if (!isClosed) broken.push("close() hangs");
  return [...broken, ...check(all, readLog(log))].map((each) => `seed ${seed}, ${kind}: ${each}`);
}

interface Limits {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Resolves with the id of the task if its result, or its items, are those of the program. */
async function perform(
  pool: Pool<typeof ProgramModule>,
  order: Order,
  limits: Limits,
): Promise<unknown> {
  if (order.do === "named") return pool.fn(limits).named(order, order.id);
  if (order.do !== "read" && order.do !== "leave") return pool.run(order, limits);
  let read = 0;
  for await (const item of pool.gen(limits).items(order, ITEMS)) {
    if (item !== read) return `item ${item} instead of ${read}`;
    read += 1;
    if (order.do === "leave" && read === ITEMS_LEFT) return order.id;
  }
  return read === ITEMS ? order.id : `${read} items`;
}

function pick(random: () => number): Kind {
  let left = random() * WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of WEIGHTS) {
    left -= weight;
    if (left < 0) return kind;
  }
  return "note";
}

async function watch(seen: Seen, result: Promise<unknown>): Promise<void> {
  try {
    seen.value = await result;
  } catch (error) {
    seen.error = error;
  }
  seen.isSettled = true;
  if (!hasCodeOf(seen.error, "NEWEL_E_CANCELLED", "NEWEL_E_DEADLINE")) return;
  // The frames of a turn are sent at its end.
  await turn();
  seen.cancelled = process.hrtime.bigint();
}

function killOne(pool: Pool<typeof ProgramModule>, at: number): void {
  const workers = pool.stats().workers.filter(({ state }) => state === "ready");
  const pid = workers[at % Math.max(1, workers.length)]?.pid ?? 0;
  if (pid > 0) sendSignal(pid, "SIGKILL");
}

interface Line {
  readonly what: string;
  readonly id: number;
  readonly worker: string;
  readonly at: bigint;
}

function readLog(path: string): Line[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // No task began.
    return [];
  }
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [what = "", id, worker = "", at = "0"] = line.split(" ");
      return { what, id: Number(id), worker, at: BigInt(at) };
    });
}

const hangs = ({ order }: Seen): string => `task ${order.id} (${order.do}) never settled`;

function check(all: readonly Seen[], lines: readonly Line[]): string[] {
  const broken: string[] = [];
  /** The ended workers, by their error, that had announced a task whose function was not called. */
  const announced = new Set<string>();
  for (const seen of all) {
    const name = `task ${seen.order.id} (${seen.order.do})`;
    const begins = lines.filter(({ what, id }) => what === "begin" && id === seen.order.id);
    if (begins.length > 1) broken.push(`${name} began ${begins.length} times`);
    const [begin] = begins;
    const closes = lines.filter(({ what, id }) => what === "closed" && id === seen.order.id);
    if (seen.order.do === "read" && seen.isSettled && seen.error === undefined)
      if (closes.length !== 1) broken.push(`${name} ended its generator ${closes.length} times`);
    if (seen.isSettled && !isLegal(seen))
      broken.push(`${name} ended with ${String(seen.error ?? seen.value)}`);
    if (begin !== undefined && beganTooLate(seen, begin, lines))
      broken.push(`${name} began after its cancel`);
    if (!hasCodeOf(seen.error, "NEWEL_E_POOL_WORKER_LOST")) continue;
    const isStall = /stood still/.test(String(seen.error));
    if (begin === undefined) {
      const end = String(seen.error);
      if (announced.has(end)) broken.push(`${name} was lost and had not begun: ${end}`);
      announced.add(end);
    }
    if (isStall && !(isNewelError(seen.error) && "blocker" in seen.error.data))
      broken.push(`${name} was lost without a name of the task that blocked`);
  }
  return broken;
}

function isLegal({ order, isLimited, error, value }: Seen): boolean {
  if (error === undefined) return value === order.id;
  if (hasCodeOf(error, "NEWEL_E_CANCELLED", "NEWEL_E_DEADLINE")) return isLimited;
  if (order.do === "throw" && error instanceof RangeError) return true;
  return hasCodeOf(error, "NEWEL_E_POOL_WORKER_LOST");
}

/** A block that ended after the cancel and before the begin gave the worker time to read the cancel. */
function beganTooLate({ cancelled }: Seen, begin: Line, lines: readonly Line[]): boolean {
  if (cancelled === undefined || begin.at <= cancelled) return false;
  return lines.some(
    ({ what, id, worker, at }) =>
      what === "blocked" &&
      worker === begin.worker &&
      at > cancelled &&
      at <= begin.at &&
      lines.some(
        (start) =>
          start.what === "begin" &&
          start.id === id &&
          at - start.at >= 5n * MS &&
          start.at < cancelled,
      ),
  );
}

function hasCodeOf(error: unknown, ...codes: readonly string[]): boolean {
  return isNewelError(error) && codes.includes(error.code);
}
