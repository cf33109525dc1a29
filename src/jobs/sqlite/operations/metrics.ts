import { storedCounts } from "../../stored-json.ts";
import type { QueueRecord } from "../queue-record.ts";
import type { Store } from "../store.ts";

interface MetricRow {
  readonly count: number;
  readonly last_at: number | null;
  readonly last_count: number;
  readonly points: string;
}

const MINUTE_MS = 60_000;

/** Counts a finished job; each past minute becomes a data point, which is zero for an idle minute. */
export function collectMetrics(
  store: Store,
  queue: QueueRecord,
  type: "completed" | "failed",
  keepPoints: number,
  at: number,
): void {
  const row = readMetric(store, queue, type);
  const before = row?.count ?? 0;
  if (row === undefined || row.last_at === null) {
    writeMetric(store, queue, type, {
      count: before + 1,
      last_at: at,
      last_count: 0,
      points: "[]",
    });
    return;
  }
  const minutes = Math.min(
    Math.floor(at / MINUTE_MS) - Math.floor(row.last_at / MINUTE_MS),
    keepPoints,
  );
  if (minutes <= 0) {
    writeMetric(store, queue, type, { ...row, count: before + 1 });
    return;
  }
  // Newest first: the zeros of the idle minutes come before the minute that was counted.
  const points = [
    ...Array.from({ length: minutes - 1 }, () => 0),
    before - row.last_count,
    ...(storedCounts(row.points) ?? []),
  ].slice(0, keepPoints);
  writeMetric(store, queue, type, {
    count: before + 1,
    last_at: at,
    last_count: before,
    points: JSON.stringify(points),
  });
}

/** The totals, the data points from `start` to `end`, newest first, and the number of points. */
export function getMetrics(
  store: Store,
  queue: QueueRecord,
  type: "completed" | "failed",
  start: number,
  end: number,
): [string[], string[], number] {
  const row = readMetric(store, queue, type);
  if (row === undefined) return [[], [], 0];
  const points = storedCounts(row.points) ?? [];
  const from = start < 0 ? Math.max(0, points.length + start) : start;
  const to = end < 0 ? points.length + end : end;
  return [
    [String(row.count), String(row.last_at ?? 0), String(row.last_count)],
    points.slice(from, to + 1).map(String),
    points.length,
  ];
}

function readMetric(store: Store, queue: QueueRecord, type: string): MetricRow | undefined {
  return store.get<MetricRow>(
    "SELECT count, last_at, last_count, points FROM metric WHERE queue = ? AND type = ?",
    queue.key,
    type,
  );
}

function writeMetric(store: Store, queue: QueueRecord, type: string, row: MetricRow): void {
  store.run(
    "REPLACE INTO metric (queue, type, count, last_at, last_count, points) VALUES (?, ?, ?, ?, ?, ?)",
    queue.key,
    type,
    row.count,
    row.last_at,
    row.last_count,
    row.points,
  );
}
