import type { Job, Queue } from "bullmq";

import { byText } from "../conformance/world.ts";
import type { Player } from "./player.ts";

const LISTS = [
  "wait",
  "active",
  "delayed",
  "prioritized",
  "completed",
  "failed",
  "waiting-children",
] as const;

/** The whole state of its queues that a program can read at the end. */
export async function readState(player: Player): Promise<unknown> {
  const queues = await Promise.all(player.queues.map(readQueue));
  const keys = new Map(player.known.map((known) => [`${known.queue}:${known.id}`, known]));
  const jobs = await Promise.all(
    [...keys].map(async ([key, { queue, id }]) => [key, await readJob(player.queue(queue), id)]),
  );
  return { queues, jobs: Object.fromEntries(jobs) as Record<string, unknown> };
}

async function readQueue(queue: Queue): Promise<unknown> {
  const [counts, paused, meta, schedulers, ...ranges] = await Promise.all([
    queue.getJobCounts(),
    queue.isPaused(),
    queue.getMeta(),
    queue.getJobSchedulers(0, -1, true),
    ...LISTS.map((list) => queue.getRanges([list], 0, -1, true)),
  ]);
  const [holders, perPriority] = await Promise.all([
    Promise.all(["d1", "d2"].map((id) => queue.getDeduplicationJobId(id))),
    queue.getCountsPerPriority([0, 1, 5]),
  ]);
  const { version: _, maxLenEvents: __, ...settings } = meta;
  const lists = Object.fromEntries(LISTS.map((list, at) => [list, ranges[at] ?? []]));
  // The jobs of one flow began to wait in the same millisecond: Redis lists them by their ids.
  lists["waiting-children"] = lists["waiting-children"]?.toSorted() ?? [];
  return { counts, paused, settings, schedulers, lists, holders, perPriority };
}

async function readJob(queue: Queue, id: string): Promise<unknown> {
  const job = await queue.getJob(id);
  if (job === undefined) return undefined;
  const [{ logs, count }, state, children] = await Promise.all([
    queue.getJobLogs(id),
    job.getState(),
    childrenOf(job),
  ]);
  return { ...fieldsOf(job), state, logs, count, ...children };
}

function fieldsOf(job: Job): Record<string, unknown> {
  const { name, data, opts, progress, delay, priority, timestamp, returnvalue } = job;
  const { attemptsMade, attemptsStarted, stalledCounter, finishedOn, processedOn } = job;
  const { failedReason, stacktrace, parentKey, parent, repeatJobKey, deduplicationId } = job;
  const { deferredFailure, processedBy } = job;
  const given = { name, data, opts, progress, delay, priority, timestamp, returnvalue };
  const attempts = { attemptsMade, attemptsStarted, stalledCounter, finishedOn, processedOn };
  const failures = { failedReason, stacktrace, deferredFailure, processedBy };
  return { ...given, ...attempts, ...failures, parentKey, parent, repeatJobKey, deduplicationId };
}

async function childrenOf(job: Job): Promise<Record<string, unknown>> {
  const [dependencies, counts, values, failures] = await Promise.all([
    job.getDependencies(),
    job.getDependenciesCount(),
    job.getChildrenValues(),
    job.getIgnoredChildrenFailures(),
  ]);
  const unordered = Object.entries(dependencies).map(([list, found]) => [
    list,
    Array.isArray(found) ? found.toSorted(byText) : found,
  ]);
  return { dependencies: Object.fromEntries(unordered), counts, values, failures };
}
