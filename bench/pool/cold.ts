// A pool that was just made: its first result, and a burst of tasks that it gets at once.
import type * as PoolModule from "../../src/pool/index.ts";
import { barOf, median, type Bar } from "../bars/bar.ts";
import { fromDist } from "../prepare.ts";
import { startAlone } from "./table.ts";

const ROUNDS = 7;
/** The burst: half a second of computing for two workers. */
const TASKS = 40;
const TASK_MS = 25;
/** The larger number of tasks in one of two workers: the burst spreads within this share. */
const MAX_SHARE = 0.6;

export async function coldStarts(size: number): Promise<Bar[]> {
  const firsts = { newel: [] as number[], piscina: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    firsts.newel.push(startAlone("newel process", size).first);
    firsts.piscina.push(startAlone("piscina", size).first);
  }
  const newel = median(firsts.newel);
  const piscina = median(firsts.piscina);
  const bursts = await burstRounds(size);
  return [
    barOf(
      "pool: first result, processes, more than piscina's",
      newel - piscina,
      { atMost: 20, unit: "ms" },
      { newel: Math.round(newel), piscina: Math.round(piscina) },
    ),
    barOf(
      `pool: a burst on a cold pool of ${size}, largest share of a worker`,
      median(bursts.map(({ share }) => share)),
      { atMost: size === 2 ? MAX_SHARE : (MAX_SHARE * 2) / size },
    ),
    barOf(
      "pool: a burst on a cold pool after its start, × a warm pool",
      median(bursts.map(({ ratio }) => ratio)),
      { atMost: 1.2 },
    ),
  ];
}

async function burstRounds(
  size: number,
): Promise<{ readonly share: number; readonly ratio: number }[]> {
  const { Pool } = await fromDist<typeof PoolModule>("pool/index");
  const worker = new URL("workers/newel.mjs", import.meta.url);
  const rounds: { readonly share: number; readonly ratio: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const cold = new Pool({ worker, size });
    const ready = new Promise<void>((resolve) => {
      let left = size;
      cold.on("workerReady", () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });
    const done = burst(cold);
    await ready;
    const readyMs = performance.now();
    await done;
    const coldMs = performance.now() - readyMs;
    const shares = cold.stats().workers.map((each) => each.done / TASKS);
    const warmMs = performance.now();
    await burst(cold);
    rounds.push({ share: Math.max(...shares), ratio: coldMs / (performance.now() - warmMs) });
    await cold.close();
  }
  return rounds;
}

async function burst(pool: { run(task: object): Promise<unknown> }): Promise<void> {
  await Promise.all(Array.from({ length: TASKS }, () => pool.run({ b: TASK_MS })));
}
