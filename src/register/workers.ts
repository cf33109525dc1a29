import type { Worker } from "node:cluster";
import { once } from "node:events";

import { loadCluster } from "./builtins.ts";
import { openFairClock } from "./fair-time.ts";
import { hasHandlesUnderWay } from "./internals.ts";

/** For how long no connection must have been under way to a worker before it gets the signal. */
const HAND_OVER_MS = 100;
const LOOK_MS = 10;

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

// Between a worker's receipt and its word to the primary, which then sends the next connection, none
// seems to be under way; hence more than one look.
async function handedOver(workers: readonly Worker[], end: number): Promise<void> {
  const clock = openFairClock();
  const isUnderWay = (): boolean => workers.some((worker) => hasHandlesUnderWay(worker.process));
  for (let quietMs = 0; quietMs < HAND_OVER_MS && performance.now() < end;) {
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    quietMs = isUnderWay() ? 0 : quietMs + LOOK_MS;
  }
}
