import { dropDeduplication } from "./deduplicate.ts";
import type { QueueRecord } from "../queue-record.ts";
import type { Store } from "../store.ts";

export function setMeta(
  store: Store,
  queue: QueueRecord,
  values: Readonly<Record<string, string>>,
): number {
  let added = 0;
  let changed = false;
  for (const [field, value] of Object.entries(values)) {
    if (queue.meta[field] === undefined) added += 1;
    changed ||= queue.meta[field] !== value;
    queue.meta[field] = value;
  }
  if (changed) store.touch(queue);
  return added;
}

export function getMeta(_store: Store, queue: QueueRecord): Record<string, string> {
  return { ...queue.meta };
}

export function removeMeta(store: Store, queue: QueueRecord, fields: readonly string[]): number {
  const present = fields.filter((field) => queue.meta[field] !== undefined);
  for (const field of present) delete queue.meta[field];
  if (present.length > 0) store.touch(queue);
  return present.length;
}

/** Lets no job be taken for a time, independent of the rate limit. */
export function setRateLimit(store: Store, queue: QueueRecord, durationMs: number): void {
  queue.limiterCount = Number.MAX_SAFE_INTEGER;
  queue.limiterUntil = store.spanNow + durationMs;
  store.touch(queue);
}

/** @returns 1 when there was a limit */
export function removeRateLimit(store: Store, queue: QueueRecord): number {
  const held = queue.limiterUntil > store.spanNow;
  queue.limiterCount = 0;
  queue.limiterUntil = 0;
  store.touch(queue);
  return held ? 1 : 0;
}

export function removeDeduplication(
  store: Store,
  queue: QueueRecord,
  id: string,
  job: string | null,
): number {
  if (job === null) return dropDeduplication(store, queue, id);
  return store.run(
    "DELETE FROM deduplication WHERE queue = ? AND id = ? AND job = ?",
    queue.key,
    id,
    job,
  );
}

/** The answer to {@link setMeta} when nothing changes; `null` when the operation has to run. */
export function peekMeta(
  _store: Store,
  queue: QueueRecord,
  values: Readonly<Record<string, string>>,
): number | null {
  return Object.entries(values).every(([field, value]) => queue.meta[field] === value) ? 0 : null;
}
