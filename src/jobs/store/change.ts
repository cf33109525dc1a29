import { newelError } from "../../base/errors.ts";
import type { Run, Scope } from "../api.ts";
import { readBy } from "../scope.ts";
import { WISH_QUEUE, wishId } from "../wishes.ts";
import { findJob, type Found, lookAt, toRuns } from "./look.ts";
import type { Queues } from "./queues.ts";
import { isFinal } from "./run.ts";

/**
 * Wishes that a run be cancelled. The wish is durable when this resolves; the server acts on it at
 * once, or when there is one again.
 */
export async function cancel(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<Run | undefined> {
  const found = await findJob(queues, id, readBy(scope));
  if (found === undefined) return undefined;
  if (isFinal(found.state)) return toOne(queues, found);
  const wishes = queues.writer(WISH_QUEUE);
  await wishes.add("cancel", { run: id }, { jobId: wishId(id) });
  // A server takes what is due; it is to hear of the wish now.
  if (found.state === "delayed") await promote(queues, found);
  await tellListeners(queues, found);
  const after = await findJob(queues, id, undefined);
  // It ended meanwhile: there is nothing left to wish.
  if (after === undefined || isFinal(after.state)) await wishes.remove(wishId(id));
  return after && toOne(queues, after);
}

/**
 * Lets a run that failed, or was cancelled, wait again with all its attempts.
 *
 * @throws NEWEL_E_JOB_RETRY it is in another state
 */
export async function retry(
  queues: Queues,
  id: string,
  scope: Scope | undefined,
): Promise<Run | undefined> {
  const found = await findJob(queues, id, readBy(scope));
  if (found === undefined) return undefined;
  const run = await toOne(queues, found);
  const mayWait = run?.state === "cancelled" && found.state !== "active";
  if (found.state !== "failed" && !mayWait)
    throw newelError("NEWEL_E_JOB_RETRY", { run: id, state: stateOf(run) });
  await queues.writer(WISH_QUEUE).remove(wishId(id));
  if (found.state === "failed") await tryAgain(queues, found, id);
  return lookAt(queues, id, undefined);
}

async function tryAgain(queues: Queues, { queue, job }: Found, id: string): Promise<void> {
  const waiting = await queues.writer(queue).getJob(job.id ?? "");
  try {
    await waiting?.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
  } catch (error) {
    // Somebody else was quicker, or it was removed.
    const now = await lookAt(queues, id, undefined);
    if (now?.state === "failed" || now?.state === "cancelled") throw error;
  }
}

async function promote(queues: Queues, { queue, job }: Found): Promise<void> {
  const delayed = await queues.writer(queue).getJob(job.id ?? "");
  try {
    await delayed?.promote();
  } catch (error) {
    // It came due by itself, or ended.
    if (await delayed?.isDelayed()) throw error;
  }
}

/** Who follows the run looks at it again: without a server nothing else would happen to it. */
async function tellListeners(queues: Queues, { queue, job }: Found): Promise<void> {
  await queues.events(queue).publishEvent({ eventName: "wished", jobId: job.id ?? "" });
}

async function toOne(queues: Queues, found: Found): Promise<Run | undefined> {
  const [run] = await toRuns(queues, [found]);
  return run;
}

function stateOf(run: Run | undefined): string {
  return run?.state === "cancelled" ? "being cancelled" : (run?.state ?? "gone");
}
