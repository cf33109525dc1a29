import type { QueueRecord } from "../queue-record.ts";
import type { Store } from "../store.ts";

/** An event with its id: names and values in turn. */
export type EventEntry = [id: string, fields: string[]];

const READ_AT_ONCE = 500;

/** The events after an id, the oldest first. */
export function readEvents(store: Store, queue: QueueRecord, after: string): EventEntry[] {
  const [number, index] = position(after);
  const rows = store.all<{ number: number; first: number; body: string }>(
    // SQLite searches the index by the first condition; with an OR alone it would read the whole table.
    `SELECT number, first, body FROM event
     WHERE queue = ? AND number >= ? AND (number > ? OR first + count - 1 > ?)
     ORDER BY number, first LIMIT 50`,
    queue.key,
    number,
    number,
    index,
  );
  const entries: EventEntry[] = [];
  for (const row of rows) {
    for (const [at, fields] of (JSON.parse(row.body) as string[][]).entries())
      if (row.number > number || row.first + at > index)
        entries.push([`${row.number}-${row.first + at}`, fields]);
    if (entries.length >= READ_AT_ONCE) break;
  }
  return entries;
}

/** The id of the last event: later events have greater ids. */
export function lastEvent(store: Store, queue: QueueRecord): string {
  const row = store.get<{ number: number; last: number }>(
    "SELECT number, first + count - 1 AS last FROM event WHERE queue = ? ORDER BY number DESC, first DESC LIMIT 1",
    queue.key,
  );
  return row === undefined
    ? `${queue.lastEvent}-${Number.MAX_SAFE_INTEGER}`
    : `${row.number}-${row.last}`;
}

export function publishEvent(
  store: Store,
  queue: QueueRecord,
  event: string,
  fields: readonly string[],
): string {
  return store.emit(queue, event, ...fields);
}

export function trimEvents(store: Store, queue: QueueRecord, keep: number): number {
  return store.trimEvents(queue, keep);
}

/** `number-index`; without an index it means the last event of that number, as in Redis. */
function position(id: string): [number, number] {
  const [number = "0", index] = id.split("-");
  return [Number(number), index === undefined ? -1 : Number(index)];
}
