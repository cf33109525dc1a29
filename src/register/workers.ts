import type { Worker } from "node:cluster";
import { once } from "node:events";

import { loadCluster } from "../base/builtins.ts";
import { openFairClock } from "../base/fair-time.ts";
import { hasHandlesUnderWay } from "./internals.ts";

/**
 * For this time in milliseconds no connection must have been in transit to a worker before it gets the
 * signal.
 */
const HAND_OVER_MS = 100;
const LOOK_MS = 10;

/**
 * Drains the workers of a node:cluster primary: each gets the stop signal, and drains by its own preload.
 * Otherwise they would end with their primary, in the middle of their answers. A worker gets the signal when
 * it has all connections that the primary has accepted, because a draining worker accepts no more.
 *
 * @param limitMs - how long connections in transit may delay the signal
 * @returns resolves when all workers have ended; at once when there are none
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

// Between a worker's receipt and its message to the primary, after which the primary sends the next
// connection, no connection seems to be in transit; so one check is not enough.
async function handedOver(workers: readonly Worker[], end: number): Promise<void> {
  const clock = openFairClock();
  const isUnderWay = (): boolean => workers.some((worker) => hasHandlesUnderWay(worker.process));
  for (let quietMs = 0; quietMs < HAND_OVER_MS && performance.now() < end;) {
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    quietMs = isUnderWay() ? 0 : quietMs + LOOK_MS;
  }
}
