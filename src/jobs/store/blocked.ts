import type { BlockedRun } from "../api.ts";
import { parseRunId } from "../names.ts";
import type { Queues } from "./queues.ts";

/** The queue of notes about runs that hold each other up: one waiting job for each server that has such runs. */
export const BLOCKED_QUEUE = "newel-blocked";
/** How long a note is shown, in milliseconds: servers write it again each minute while it holds. */
const SHOWN_MS = 180_000;
/** The largest number of servers that are read. */
const MOST = 1_000;

/** The note of one server. */
export interface BlockedNote {
  readonly runs: readonly BlockedRun[];
  /** Milliseconds since 1970. */
  readonly seenMs: number;
}

function isBlockedRun(value: unknown): value is BlockedRun {
  if (typeof value !== "object" || value === null) return false;
  const { run, waitsFor, limits } = value as Partial<Record<keyof BlockedRun, unknown>>;
  return typeof run === "string" && Array.isArray(waitsFor) && Array.isArray(limits);
}

/** The runs that hold each other up, by queue. */
export async function blockedRuns(queues: Queues): Promise<ReadonlyMap<string, BlockedRun[]>> {
  const jobs = await queues.reader(BLOCKED_QUEUE).getJobs(["waiting"], 0, MOST - 1);
  const found = new Map<string, BlockedRun[]>();
  for (const job of jobs) {
    const { runs, seenMs = 0 } = (job?.data ?? {}) as Partial<BlockedNote>;
    if (!Array.isArray(runs) || !(Date.now() - seenMs <= SHOWN_MS)) continue;
    for (const blocked of runs.filter(isBlockedRun)) {
      const queue = parseRunId(blocked.run)?.queue;
      if (queue !== undefined) found.set(queue, [...(found.get(queue) ?? []), blocked]);
    }
  }
  return found;
}
