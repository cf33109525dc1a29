import { once } from "node:events";

import { loadCluster, loadTimers } from "./builtins.ts";

/** How long connections that the primary has accepted may take to reach a worker. */
const HAND_OVER_MS = 100;

/**
 * Drains the workers of a node:cluster primary: each gets the stop signal, and drains by its own
 * preload. Without it they would end with their primary, in the middle of their answers.
 *
 * @returns resolves when all have ended, at once where there are none
 */
export async function drainWorkers(signal: NodeJS.Signals): Promise<void> {
  const workers = Object.values(loadCluster().workers ?? {}).filter(
    (worker) => worker !== undefined,
  );
  if (workers.length === 0) return;
  await loadTimers().setTimeout(HAND_OVER_MS);
  await Promise.all(
    workers.map(async (worker) => {
      if (worker.isDead()) return;
      const exited = once(worker, "exit");
      worker.process.kill(signal);
      await exited;
    }),
  );
}
