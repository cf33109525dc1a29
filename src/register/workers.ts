import type { Worker } from "node:cluster";
import { once } from "node:events";

import { loadCluster } from "./builtins.ts";
import { openFairClock } from "./fair-time.ts";
import { hasHandlesUnderWay } from "./internals.ts";

/** How long connections that the primary has accepted may take to reach a worker. */
const HAND_OVER_MS = 100;
/** How often it is asked whether one is under way after that. */
const AGAIN_MS = 10;

/**
 * Drains the workers of a node:cluster primary: each gets the stop signal, and drains by its own
 * preload. Without it they would end with their primary, in the middle of their answers. A worker gets
 * it when it has all connections that the primary has accepted: a worker that drains takes no more.
 *
 * @param limitMs - how long connections under way may delay the signal
 * @returns resolves when all have ended, at once where there are none
 */
export async function drainWorkers(signal: NodeJS.Signals, limitMs: number): Promise<void> {
  const workers = Object.values(loadCluster().workers ?? {}).filter(
    (worker) => worker !== undefined,
  );
  if (workers.length === 0) return;
  await handedOver(workers, performance.now() + limitMs);
  await Promise.all(
    workers.map(async (worker) => {
      if (worker.isDead()) return;
      const exited = once(worker, "exit");
      worker.process.kill(signal);
      await exited;
    }),
  );
}

async function handedOver(workers: readonly Worker[], end: number): Promise<void> {
  const clock = openFairClock();
  const wait = (fullMs: number): Promise<void> =>
    new Promise((resolve) => clock.after(fullMs, resolve));
  await wait(HAND_OVER_MS);
  while (workers.some((worker) => hasHandlesUnderWay(worker.process)) && performance.now() < end)
    await wait(AGAIN_MS);
}
