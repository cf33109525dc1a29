import type { Progress, RunState } from "../api.ts";

/** What a reader has been shown of a run. */
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

/** Of whole numbers in decimal, however long. */
function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * The id of a snapshot: where the stream was before the state was read, and what was shown. Later events
 * of the stream that tell less than the snapshot did are known by it, also after a reconnect; and no two
 * events have one id.
 */
export function snapshotId(position: string, shown: Shown): string {
  const { state = "", progress } = shown;
  return [position, state, progress?.done ?? "", progress?.total ?? ""].join("~");
}

/** What `after` says; `undefined` when it is no id of ours. */
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
