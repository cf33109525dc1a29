import type { Progress, RunState } from "../api.ts";

/** The state of a run as a reader has seen it. */
export interface Shown {
  readonly state: RunState | undefined;
  readonly progress: Progress | undefined;
}

/**
 * The order of two ids of one stream: `milliseconds-number` (Redis, SQLite) or a number (PostgreSQL).
 *
 * @returns negative when `a` is the earlier
 */
export function compareIds(a: string, b: string): number {
  const [firstA = "", secondA = "0"] = a.split("-");
  const [firstB = "", secondB = "0"] = b.split("-");
  return compareNumbers(firstA, firstB) || compareNumbers(secondA, secondB);
}

/** Compares whole numbers in decimal, of any length. */
function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * The id of a snapshot: the position of the stream before the state was read, and the state that was shown. Later
 * events
 * of the stream that are older than the snapshot are recognised by it, also after a reconnect; and no two
 * events have the same id.
 */
export function snapshotId(position: string, shown: Shown): string {
  const { state = "", progress } = shown;
  return [position, state, progress?.done ?? "", progress?.total ?? ""].join("~");
}

/** Parses `after`; `undefined` when it is not an id of newel's events. */
export function parseAfter(
  after: string,
): { position: string; shown: Shown | undefined } | undefined {
  const match = /^(\d{1,20}(?:-\d{1,20})?)(?:~([a-z]*)~([\d.e+-]*)~([\d.e+-]*))?$/.exec(after);
  const [, position, state, done, total] = match ?? [];
  if (position === undefined) return undefined;
  if (state === undefined) return { position, shown: undefined };
  const progress =
    done === "" || total === "" ? undefined : { done: Number(done), total: Number(total) };
  return { position, shown: { state: state === "" ? undefined : (state as RunState), progress } };
}
