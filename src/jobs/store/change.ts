import { newelError } from "../../base/errors.ts";
import type { Run, Scope } from "../api.ts";
import { readBy } from "../scope.ts";
import { fromStored } from "../stored.ts";
import { WISH_QUEUE, wishId } from "../wishes.ts";
import { claimKey, keyId } from "./keys.ts";
import { findJob, type Found, lookAt, toRuns } from "./look.ts";
import type { Queues } from "./queues.ts";
import { isFinal, runOfKey } from "./run.ts";

/**
 * Requests that a run be cancelled. The request is durable when this resolves; a server acts on it at
 * once, or as soon as one runs again.
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
  // A server takes only due runs, so the run is made due now and the server sees the request.
  if (found.state === "delayed") await promote(queues, found);
  await tellListeners(queues, found);
  const after = await findJob(queues, id, undefined);
  // The run ended in the meantime: the request is not needed any more.
  if (after === undefined || isFinal(after.state)) await wishes.remove(wishId(id));
  return after && toOne(queues, after);
}

/**
 * Requeues a failed or cancelled run with all of its attempts. If it has a key, it gets the key
 * back. Failed runs below it in a flow wait again too: it starts when they are done.
 *
 * @throws NEWEL_E_JOB_RETRY it is in another state
 * @throws NEWEL_E_JOB_KEY another run with its key is not finished
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
  await takeKey(queues, found, id);
  await queues.writer(WISH_QUEUE).remove(wishId(id));
  if (found.state === "failed") {
    await retryChildren(queues, found);
    await tryAgain(queues, found, id);
  }
  return lookAt(queues, id, undefined);
}

async function takeKey(queues: Queues, { queue, job }: Found, run: string): Promise<void> {
  const stored = fromStored(job.data);
  if (stored.key === undefined) return;
  const key = keyId(job.name, stored, stored.key);
  const holder = await claimKey(queues, { queue, id: job.id ?? "", key });
  if (holder !== undefined)
    throw newelError("NEWEL_E_JOB_KEY", { run, key: stored.key, other: holder.id });
}

/** How many children are read at once. */
const CHILDREN = 1_000;

/** Retries failed children too, because a parent with failed children would fail again. */
async function retryChildren(queues: Queues, { queue, job }: Found): Promise<void> {
  const parent = await queues.writer(queue).getJob(job.id ?? "");
  const { failed = [] } =
    (await parent?.getDependencies({ failed: { cursor: 0, count: CHILDREN } })) ?? {};
  for (const key of failed) {
    const child = runOfKey(key);
    const found = child === undefined ? undefined : await findJob(queues, child, undefined);
    if (child === undefined || found?.state !== "failed") continue;
    await retryChildren(queues, found);
    await tryAgain(queues, found, child);
  }
}

async function tryAgain(queues: Queues, { queue, job }: Found, id: string): Promise<void> {
  const waiting = await queues.writer(queue).getJob(job.id ?? "");
  try {
    await waiting?.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
  } catch (error) {
    // Another call was quicker, or the run was removed.
    const now = await lookAt(queues, id, undefined);
    if (now?.state === "failed" || now?.state === "cancelled") throw error;
  }
}

async function promote(queues: Queues, { queue, job }: Found): Promise<void> {
  const delayed = await queues.writer(queue).getJob(job.id ?? "");
  try {
    await delayed?.promote();
  } catch (error) {
    // The run became due by itself, or ended.
    if (await delayed?.isDelayed()) throw error;
  }
}

/** Emits an event so that listeners read the run again, because without a server no other event would come. */
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
