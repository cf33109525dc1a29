import { CODE } from "../codes.ts";
import type { JobHead } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { STATE } from "../states.ts";
import type { Store } from "../store.ts";

/** Renews the lock of a job. @returns 1, or 0 when the token does not hold it. */
export function extendLock(
  store: Store,
  queue: QueueRecord,
  id: string,
  token: string,
  durationMs: number,
): number {
  return store.run(
    `UPDATE job SET locked_until = ?, stall_mark = 0
     WHERE queue = ? AND id = ? AND state = ${STATE.active} AND token = ? AND locked_until > ?`,
    store.lockNow + durationMs,
    queue.key,
    id,
    token,
    store.lockNow,
  );
}

/** Renews the locks of jobs. @returns the ids of those that the tokens do not hold. */
export function extendLocks(
  store: Store,
  queue: QueueRecord,
  ids: readonly string[],
  tokens: readonly string[],
  durationMs: number,
): string[] {
  return ids.filter(
    (id, index) => extendLock(store, queue, id, tokens[index] ?? "", durationMs) === 0,
  );
}

/**
 * The error code when a token may not finish a job; `undefined` when it may. The token `"0"` needs no lock.
 */
export function lockProblem(store: Store, job: JobHead, token: string): number | undefined {
  if (token === "0") return undefined;
  if (job.token === null || (job.locked_until ?? 0) <= store.lockNow) return CODE.jobLockNotExist;
  return job.token === token ? undefined : CODE.jobLockMismatch;
}

/** Whether a job is locked now. */
export function isLocked(store: Store, job: JobHead): boolean {
  return job.token !== null && (job.locked_until ?? 0) > store.lockNow;
}
