import type { JobState, Queue } from "bullmq";

import type { QueueStats } from "../api.ts";
import { CANCELLED_CODE } from "../failure.ts";
import { WISH_QUEUE, wishedRun } from "../wishes.ts";
import { parseRunId } from "../names.ts";
import type { JobStore } from "../sqlite/job-store.ts";
import { PREFIX } from "./names.ts";
import type { Queues } from "./queues.ts";
import { blockedRuns } from "./blocked.ts";
import { unservedJobs } from "./unserved.ts";

/** States of BullMQ in which a run waits; PostgreSQL counts those of a paused queue as `paused`. */
const WAITING = ["waiting", "prioritized", "waiting-children", "paused"] as readonly JobState[];
const OTHERS = ["delayed", "active", "completed", "failed"] as const;
/** How many cancel requests are read for the counts. */
const WISHES = 10_000;
const FAILED = 1_000;

/**
 * Counts the runs of each queue in each state, and returns how long the first waiting one has waited.
 *
 * @param cancelled - how many failed jobs of each queue are cancelled runs
 */
export async function stats(
  queues: Queues,
  names: readonly string[],
  cancelled: ReadonlyMap<string, number>,
): Promise<QueueStats[]> {
  const wishes = await queues.reader(WISH_QUEUE).getJobs(undefined, 0, WISHES);
  const [unserved, blocked] = await Promise.all([unservedJobs(queues), blockedRuns(queues)]);
  const wished = wishes.filter(Boolean).map(({ data }) => parseRunId(wishedRun(data))?.queue);
  return Promise.all(
    names.map(async (queue) => {
      const reader = queues.reader(queue);
      const [counts, paused, latencyMs] = await Promise.all([
        reader.getJobCounts(...WAITING, ...OTHERS),
        reader.isPaused(),
        latency(reader),
      ]);
      const of = (state: string): number => counts[state] ?? 0;
      const ended = cancelled.get(queue) ?? 0;
      return {
        queue,
        paused,
        latencyMs,
        unserved: unserved.get(queue) ?? [],
        blocked: blocked.get(queue) ?? [],
        counts: {
          waiting: WAITING.reduce((sum, state) => sum + of(state), 0),
          delayed: of("delayed"),
          running: of("active"),
          done: of("completed"),
          failed: Math.max(0, of("failed") - ended),
          cancelled: ended + wished.filter((each) => each === queue).length,
        },
      };
    }),
  );
}

/** Part of the stored failure of a cancelled run. */
const CANCELLED = `[${CANCELLED_CODE}]`;

/** Counts the failed jobs in a file that are cancelled runs. */
export async function cancelledOnFile(store: JobStore): Promise<ReadonlyMap<string, number>> {
  const counts = await store.count({ states: ["failed"], error: CANCELLED });
  return new Map(
    Object.entries(counts).map(([name, count]) => [name.slice(PREFIX.length), count] as const),
  );
}

/** The same on a server, among the newest thousand failed jobs of each queue. */
export async function cancelledOnServer(
  queues: Queues,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counts = names.map(async (queue) => {
    const failed = await queues.reader(queue).getJobs(["failed"], 0, FAILED - 1, false);
    const ended = failed.filter((job) => job?.failedReason?.includes(CANCELLED));
    return [queue, ended.length] as const;
  });
  return new Map(await Promise.all(counts));
}

async function latency(queue: Queue): Promise<number> {
  const first = await Promise.all(
    (["waiting", "prioritized"] as const).map((state) => queue.getJobs([state], 0, 0, true)),
  );
  const since = first.flat().map(({ timestamp, opts }) => timestamp + (opts.delay ?? 0));
  return since.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...since));
}

/**
 * Removes waiting runs.
 *
 * @returns the decrease of their number, which includes runs that a server takes at the same time
 */
export async function drain(queue: Queue, delayed: boolean): Promise<number> {
  const states = [...WAITING, ...(delayed ? (["delayed"] as const) : [])];
  const before = await queue.getJobCountByTypes(...states);
  await queue.drain(delayed);
  const after = await queue.getJobCountByTypes(...states);
  return Math.max(0, before - after);
}
