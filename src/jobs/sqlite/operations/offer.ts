import { findJob } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { pushBack } from "./placing.ts";

/** Replaces the token of an offered job by its worker's own. @returns 1, or 0 when the offer's token does not hold it */
export function adoptJob(
  store: Store,
  queue: QueueRecord,
  id: string,
  offerToken: string,
  token: string,
): number {
  return store.run(
    `UPDATE job SET token = ? WHERE queue = ? AND id = ? AND state = ${STATE.active} AND token = ?`,
    token,
    queue.key,
    id,
    offerToken,
  );
}

/** Requeues a job that was offered and not accepted: no worker has started it. */
export function putBack(store: Store, queue: QueueRecord, id: string, offerToken: string): void {
  const job = findJob(store, queue, id);
  if (job === undefined || job.state !== STATE.active || job.token !== offerToken) return;
  store.run("UPDATE job SET attempts_started = attempts_started - 1 WHERE key = ?", job.key);
  pushBack(store, queue, job);
}
