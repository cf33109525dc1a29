// The processor time that one megabyte of text costs as a task and as a result, in the program and its workers.
import { readFileSync } from "node:fs";

import { barOf, median, type Bar } from "../bars/bar.ts";
import { cpuSeconds } from "../tools/process-stat.ts";
import { contender, type Opened } from "./contenders.ts";

const ROUNDS = 5;
const TASKS = 200;
const AT_ONCE = 8;
const OURS = { process: "newel process", thread: "newel thread" } as const;
const PEERS = {
  process: ["tinypool process", "workerpool process", "jest-worker process"],
  thread: ["piscina", "tinypool thread", "workerpool thread"],
} as const;

/** Newel and the peers of the same kind take turns. */
export async function largeTexts(size: number): Promise<Bar[]> {
  const bars: Bar[] = [];
  for (const kind of ["process", "thread"] as const) {
    const names: readonly string[] = [OURS[kind], ...PEERS[kind]];
    const pools = new Map<string, Opened>();
    for (const name of names) pools.set(name, await contender(name).open(size));
    const samples = new Map<string, number[]>();
    for (let round = 0; round <= ROUNDS; round += 1)
      for (const [name, pool] of pools) {
        const seconds = await cpuOf(pool);
        if (round > 0) samples.set(name, [...(samples.get(name) ?? []), seconds]);
      }
    for (const pool of pools.values()) await pool.close();
    const medians = new Map([...samples].map(([name, each]) => [name, median(each)]));
    const own = medians.get(OURS[kind]) ?? Number.NaN;
    const best = Math.min(...PEERS[kind].map((name) => medians.get(name) ?? Infinity));
    const seen = Object.fromEntries(
      [...medians].map(([name, each]) => [name, `${Math.round((each / TASKS) * 1e6)} µs`]),
    );
    bars.push(
      barOf(
        `pool: 1 MB of text, ${kind}, CPU × the best peer's`,
        own / best,
        { atMost: 1.5 },
        seen,
      ),
    );
  }
  return bars;
}

/** Processor seconds of this process, with its threads, and its children, for all tasks. */
async function cpuOf(pool: Opened): Promise<number> {
  const before = cpuSoFar();
  let sent = 0;
  const caller = async (): Promise<void> => {
    for (; sent < TASKS;) {
      sent += 1;
      // Another text for each task: a text that was sent before could be kept in flat form.
      await pool.run({ d: `${sent}`.padEnd(1_000_000, "text ") });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return cpuSoFar() - before;
}

function cpuSoFar(): number {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
  const pids = children.trim().split(" ").filter(Boolean).map(Number);
  const { user, system } = process.cpuUsage();
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), (user + system) / 1e6);
}
