import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { Pool } from "../../src/pool/pool.ts";
import type * as FloodModule from "./fixtures/flood.ts";
import { fixture } from "./pools.ts";

/** What was seen while far more was produced than taken. */
export interface FloodSeen {
  readonly consumed: number;
  /** Resident memory above what it was after the first tenth, in MB: of this process, … */
  readonly poolGrowthMb: number;
  /** … and of the worker. */
  readonly workerGrowthMb: number;
}

/** Results are dealt with in steps of so many, with a pause in between: slower than they come. */
const STEP = 2_000;

/**
 * As many tasks as fast as they can be put, to a worker that is slow; or one task that posts as many
 * messages as fast as it can, to a pool that is slow.
 */
export async function flood(direction: "tasks" | "messages", count: number): Promise<FloodSeen> {
  let consumed = 0;
  let base: { readonly pool: number; readonly worker: number } | undefined;
  const most = { pool: 0, worker: 0 };
  const look = (): void => {
    const worker = pool.stats().workers[0]?.pid ?? 0;
    const now = { pool: process.memoryUsage().rss, worker: rssBytes(worker) };
    if (consumed > count / 10) base ??= now;
    if (base === undefined) return;
    most.pool = Math.max(most.pool, now.pool - base.pool);
    most.worker = Math.max(most.worker, now.worker - base.worker);
  };
  const pool: Pool<typeof FloodModule> = new Pool<typeof FloodModule>({
    worker: fixture("flood"),
    size: 1,
    onResult: async () => {
      consumed += 1;
      if (direction === "messages" && consumed % STEP === 0) await sleep(2);
    },
  });
  const timer = setInterval(look, 20);
  if (direction === "tasks") for (let n = 0; n < count; n += 1) await pool.put({ n });
  else await pool.run({ post: count });
  look();
  await pool.stop();
  clearInterval(timer);
  const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  return {
    consumed,
    poolGrowthMb: megabytes(most.pool),
    workerGrowthMb: megabytes(most.worker),
  };
}

function rssBytes(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024;
  } catch {
    // It has just ended.
    return 0;
  }
}
