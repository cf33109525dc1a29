import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "../../src/base/errors.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type * as TasksModule from "./fixtures/tasks.ts";
import { sendSignal } from "../helpers/signals.ts";

type Tasks = typeof TasksModule;

/** The observations while workers were killed. */
export interface KillsSeen {
  readonly kills: number;
  readonly tasks: number;
  readonly lost: number;
  /** Every violation of the expectations. */
  readonly problems: readonly string[];
}

/** Tasks in flight and waiting while workers are killed. */
const OUTSTANDING = 100;
const SETTLE_MS = 10_000;

/**
 * Kills random workers under load. Every task must settle exactly once, with its own start in its
 * worker; the pool must have all its workers at the end.
 */
export async function killWorkers(pool: Pool<Tasks>, kills: number): Promise<KillsSeen> {
  await pool.start();
  const size = pool.size;
  const problems: string[] = [];
  /** The starts: the pid, and the number of tasks that it had begun by then. */
  const starts = new Set<string>();
  const over = new AbortController();
  let tasks = 0;
  let lost = 0;
  let settled = 0;
  const produce = async (): Promise<void> => {
    while (!over.signal.aborted) {
      tasks += 1;
      const task = tasks;
      const order = task % 3 === 0 ? { do: "sleep", ms: task % 20 } : { do: "who" };
      try {
        const { pid, begun } = await pool.run(order as { do: "who" });
        const start = `${pid} ${begun}`;
        if (starts.has(start)) problems.push(`task ${task} has the start of another one`);
        starts.add(start);
      } catch (error) {
        if (hasCode(error, "NEWEL_E_POOL_WORKER_LOST")) lost += 1;
        else problems.push(`task ${task}: ${String(error)}`);
      }
      settled += 1;
    }
  };
  const producers = Array.from({ length: OUTSTANDING }, produce);
  const dead = new Set<number>();
  let killed = 0;
  for (; killed < kills; killed += 1) {
    const victims = pool
      .stats()
      .workers.filter(({ state, pid, done }) => state === "ready" && done >= 20 && !dead.has(pid));
    const victim = victims[Math.floor(Math.random() * victims.length)];
    if (victim === undefined) killed -= 1;
    else {
      dead.add(victim.pid);
      sendSignal(victim.pid, "SIGKILL");
    }
    await sleep(Math.random() * 40);
  }
  over.abort();
  await Promise.race([Promise.all(producers), sleep(SETTLE_MS)]);
  if (settled !== tasks) problems.push(`${tasks - settled} of ${tasks} tasks never settled`);
  const deadline = performance.now() + SETTLE_MS;
  while (pool.size < size && performance.now() < deadline) await sleep(10);
  if (pool.size !== size) problems.push(`${pool.size} of ${size} workers are back`);
  return { kills: killed, tasks, lost, problems };
}
