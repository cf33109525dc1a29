import type { Queue } from "bullmq";

import type { QueueStats } from "../api.ts";
import { WISH_QUEUE, wishedRun } from "../wishes.ts";
import { parseRunId } from "../names.ts";
import type { Queues } from "./queues.ts";

/** States of BullMQ in which a run waits. */
const WAITING = ["waiting", "prioritized", "waiting-children"] as const;
/** So many wishes are looked at for the counts. */
const WISHES = 10_000;

/** How many runs each queue has in each state, and how long the first in line has waited. */
export async function stats(queues: Queues, names: readonly string[]): Promise<QueueStats[]> {
  const wishes = await queues.reader(WISH_QUEUE).getJobs(undefined, 0, WISHES);
  const cancelled = wishes.map(({ data }) => parseRunId(wishedRun(data))?.queue);
  return Promise.all(
    names.map(async (queue) => {
      const reader = queues.reader(queue);
      const [counts, paused, latencyMs] = await Promise.all([
        reader.getJobCounts(),
        reader.isPaused(),
        latency(reader),
      ]);
      const of = (state: string): number => counts[state] ?? 0;
      return {
        queue,
        paused,
        latencyMs,
        counts: {
          waiting: WAITING.reduce((sum, state) => sum + of(state), of("wait") + of("paused")),
          delayed: of("delayed"),
          running: of("active"),
          done: of("completed"),
          failed: of("failed"),
          cancelled: cancelled.filter((each) => each === queue).length,
        },
      };
    }),
  );
}

async function latency(queue: Queue): Promise<number> {
  const first = await Promise.all(
    (["waiting", "prioritized"] as const).map((state) => queue.getJobs([state], 0, 0, true)),
  );
  const since = first.flat().map(({ timestamp, opts }) => timestamp + (opts.delay ?? 0));
  return since.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...since));
}

/** Removes what waits. @returns how many there are less; a server that takes some meanwhile counts */
export async function drain(queue: Queue, delayed: boolean): Promise<number> {
  const states = [...WAITING, ...(delayed ? (["delayed"] as const) : [])];
  const before = await queue.getJobCountByTypes(...states);
  await queue.drain(delayed);
  const after = await queue.getJobCountByTypes(...states);
  return Math.max(0, before - after);
}
