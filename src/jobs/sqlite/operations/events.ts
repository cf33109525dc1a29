import { storedList } from "../../stored-json.ts";
import type { QueueRecord } from "../queue-record.ts";
import type { Store } from "../store.ts";

/** An event with its id: names and values in turn. */
export type EventEntry = [id: string, fields: string[]];

const READ_AT_ONCE = 500;

/** The events after an id, the oldest first. */
export function readEvents(store: Store, queue: QueueRecord, after: string): EventEntry[] {
  const [number, index] = position(after);
  const rows = store.all<EventRow>(
    // SQLite searches the index by the first condition; with an OR alone it would read the whole table.
    `SELECT number, first, count, body FROM event
     WHERE queue = ? AND number >= ? AND (number > ? OR first + count - 1 > ?)
     ORDER BY number, first LIMIT 50`,
    queue.key,
    number,
    number,
    index,
  );
  const entries: EventEntry[] = [];
  for (const row of rows) {
    for (const [at, fields] of eventsOf(row))
      if (row.number > number || row.first + at > index)
        entries.push([`${row.number}-${row.first + at}`, fields]);
    if (entries.length >= READ_AT_ONCE) break;
  }
  return entries;
}

interface EventRow {
  readonly number: number;
  readonly first: number;
  readonly count: number;
  readonly body: string;
}

/** Events of a damaged row are one event without a job at the place of the last, so that a reader gets past them. */
function eventsOf({ count, body }: EventRow): readonly (readonly [number, string[]])[] {
  const events = storedList(body);
  if (events === undefined || !events.every(isTexts)) return [[count - 1, ["event", "unreadable"]]];
  return [...events.entries()];
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
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
