import type { Job } from "bullmq";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { EnqueueRequest, Run } from "../api.ts";
import { formatRunId, newJobId } from "../names.ts";
import { toJobsOptions, toStored } from "../stored.ts";
import { lookAt } from "./look.ts";
import type { Queues } from "./queues.ts";
import { type JobFacts, toRun } from "./run.ts";

/** How often it is tried to get past runs with the same key that end meanwhile. */
const TRIES = 20;
const PAUSE_MS = 5;

/**
 * Puts a run into its queue, or finds the unfinished one with the same key. The store decides between
 * those who ask at once.
 */
export async function enqueue(queues: Queues, request: EnqueueRequest): Promise<Run> {
  const queue = queues.writer(request.queue);
  const { key } = request;
  const deduplication = key === undefined ? undefined : { id: keyId(request, key) };
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    // Many who ask at once for very short runs would else get in each other's way.
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
    if (holder !== undefined && holder.state !== "cancelled") return holder;
    // A run that is not to be any more keeps nobody out.
    const held = deduplication && (await queue.getDeduplicationJobId(deduplication.id));
    if (deduplication !== undefined && held === job.id)
      await queue.removeDeduplicationKey(deduplication.id);
  }
  throw newelError("NEWEL_E_INTERNAL", { what: `the key of a run of ${request.name} stays taken` });
}

/** Two kinds of jobs, and two users, may use the same key without meeting. */
function keyId({ name, by = "" }: EnqueueRequest, key: string): string {
  return [name, by, key].map(encodeURIComponent).join("/");
}
