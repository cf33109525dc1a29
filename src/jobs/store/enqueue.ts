import type { Job } from "bullmq";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { EnqueueRequest, Run } from "../api.ts";
import { formatRunId, newJobId } from "../names.ts";
import { toJobsOptions, toStored } from "../stored.ts";
import { isOver, keyId } from "./keys.ts";
import { lookAt } from "./look.ts";
import type { Queues } from "./queues.ts";
import { type JobFacts, toRun } from "./run.ts";

/** How many times enqueueing is tried while runs with the same key end in the meantime. */
const TRIES = 20;
const PAUSE_MS = 5;

/**
 * Adds a run to its queue, or finds the unfinished one with the same key. The store decides between
 * concurrent callers.
 */
export async function enqueue(queues: Queues, request: EnqueueRequest): Promise<Run> {
  const queue = queues.writer(request.queue);
  const { key } = request;
  const deduplication = key === undefined ? undefined : { id: keyId(request.name, request, key) };
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    // The delays differ, because concurrent callers with very short runs would otherwise disturb each other.
    if (attempt > 2) await sleep(Math.random() * attempt * PAUSE_MS);
    const jobId = (attempt === 1 ? request.id : undefined) ?? newJobId();
    const job: Job = await queue.add(request.name, toStored(request), {
      ...toJobsOptions(request),
      jobId,
      ...(deduplication === undefined ? {} : { deduplication }),
    });
    if (job.id === jobId) {
      const state = request.delayMs > 0 ? "delayed" : "waiting";
      return toRun(request.queue, job as JobFacts, state, false);
    }
    const holder = await lookAt(queues, formatRunId(request.queue, job.id ?? ""), undefined);
    if (holder !== undefined && !isOver(holder)) return holder;
    const held = deduplication && (await queue.getDeduplicationJobId(deduplication.id));
    // A run that ended just now is the answer, but not a cancelled one or one with a stale key.
    if (deduplication !== undefined && held === job.id)
      await queue.removeDeduplicationKey(deduplication.id);
    else if (holder !== undefined && holder.state !== "cancelled") return holder;
  }
  throw newelError("NEWEL_E_INTERNAL", { what: `the key of a run of ${request.name} stays taken` });
}
