import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Pool } from "../../src/pool/pool.ts";
import type * as FloodModule from "./fixtures/flood.ts";
import { fixture } from "./pools.ts";

/** The measurements of a run that produced far more than was taken. */
export interface FloodSeen {
  readonly consumed: number;
  /** The memory still referenced in this process, above that after the first tenth, in MB. */
  readonly poolGrowthMb: number;
  /** Resident memory of the worker, measured in the same way. */
  readonly workerGrowthMb: number;
}

/**
 * Results are processed in steps of this number, with a pause in between: more slowly than they
 * arrive.
 */
const STEP = 2_000;
const LOOKS = 10;
/** If all of them were kept, 100,000 would be 100 MB. */
const TEXT: string = "x".repeat(1_000);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/**
 * Sends tasks as fast as they can be put, to a slow worker; or has one task post messages as fast
 * as it can, to a slow pool.
 */
export async function flood(direction: "tasks" | "messages", count: number): Promise<FloodSeen> {
  let consumed = 0;
  const looks: { readonly pool: number; readonly worker: number }[] = [];
  const pool: Pool<typeof FloodModule> = new Pool<typeof FloodModule>({
    worker: fixture("flood"),
    size: 1,
    onResult: async () => {
      consumed += 1;
      if (consumed % Math.floor(count / LOOKS) === 0) looks.push(look());
      if (direction === "messages" && consumed % STEP === 0) await sleep(2);
    },
  });
  const look = (): { readonly pool: number; readonly worker: number } => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return { pool: heapUsed + external, worker: rssBytes(pool.stats().workers[0]?.pid ?? 0) };
  };
  if (direction === "tasks")
    for (let n = 0; n < count; n += 1) await pool.put({ n, text: `${TEXT}${n}` });
  else await pool.run({ post: count });
  await pool.stop();
  const growthMb = (of: "pool" | "worker"): number => {
    const [first = 0, ...later] = looks.map((each) => each[of]);
    return Math.round((Math.max(...later) - first) / 1e5) / 10;
  };
  return { consumed, poolGrowthMb: growthMb("pool"), workerGrowthMb: growthMb("worker") };
}

function rssBytes(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
  } catch {
    // The process has just ended.
    return 0;
  }
}
