import { setTimeout as sleep } from "node:timers/promises";

import type { CallOptions, Opened, Work } from "./contenders.ts";

/** Tasks a second with a number of outstanding tasks, during some milliseconds. */
export async function rate(
  pool: Opened,
  outstanding: number,
  ms: number,
  make: () => Work,
  options?: (work: Work) => CallOptions,
): Promise<number> {
  const start = performance.now();
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - start < ms) {
      const work = make();
      await (options === undefined ? pool.run(work) : pool.run(work, options(work)));
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, caller));
  return (done * 1_000) / (performance.now() - start);
}

export const noop = (): Work => ({ n: 1 });
export const sleeping = (): Work => ({ s: 5 });

/** A number of 5 ms sleeps at once in this event loop: the result of one loop by itself. */
export async function localSleeps(outstanding: number, ms: number): Promise<number> {
  return rate(
    { run: async ({ s }) => sleep(s), close: async () => undefined },
    outstanding,
    ms,
    sleeping,
  );
}

/** How many times faster 200 tasks of 5 ms of computing are done than by one process. */
export async function speedUp(pool: Opened): Promise<number> {
  const local = (await import(new URL("workers/work.mjs", import.meta.url).href)) as {
    burn(ms: number): void;
  };
  const tasks = 200;
  const localStart = performance.now();
  for (let n = 0; n < tasks; n += 1) local.burn(5);
  const localMs = performance.now() - localStart;
  const start = performance.now();
  await Promise.all(Array.from({ length: tasks }, () => pool.run({ b: 5 })));
  return localMs / (performance.now() - start);
}

/** The longest of 20 no-ops that are sent 20 ms after a worker began to compute for 500 ms. */
export async function besideBlocked(pool: Opened): Promise<number> {
  const blocked = pool.run({ b: 500 });
  await sleep(20);
  const waits = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const start = performance.now();
      await pool.run({ n: 1 });
      return performance.now() - start;
    }),
  );
  await blocked;
  return Math.max(...waits);
}

/** Times of no-ops that arrive at a rate, every millisecond some, whether or not others are done. */
export async function latency(
  pool: Opened,
  perSecond: number,
  ms: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const start = performance.now();
  let sent = 0;
  while (performance.now() - start < ms) {
    const due = Math.floor(((performance.now() - start) * perSecond) / 1_000);
    for (; sent < due; sent += 1) {
      const at = performance.now();
      running.push(pool.run({ n: 1 }).then(() => void times.push(performance.now() - at)));
    }
    await sleep(1);
  }
  await Promise.all(running);
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
