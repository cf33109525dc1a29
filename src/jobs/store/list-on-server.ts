import type { JobState } from "bullmq";

import type { Run, RunPage } from "../api.ts";
import { formatRunId, optionError } from "../names.ts";
import { fromStored } from "../stored.ts";
import { bullStates, isWanted, type Wanted } from "./filter.ts";
import { type Found, toRuns } from "./look.ts";
import type { Queues } from "./queues.ts";
import { BULL_STATES, type JobFacts } from "./run.ts";

/** How many jobs of each queue and state are read: a server cannot search, so all of them are transferred. */
const LOOKED_AT = 2_000;
const AT_ONCE = 500;

/** Finds runs on a server by paging through its lists. */
export async function listOnServer(
  queues: Queues,
  names: readonly string[],
  wanted: Wanted,
): Promise<RunPage> {
  const states = bullStates(wanted) ?? [...new Set(Object.values(BULL_STATES).flat())];
  const searched = wanted.queue === undefined ? names : [wanted.queue];
  const found: Found[] = [];
  for (const queue of searched)
    for (const state of states) found.push(...(await search(queues, queue, state, wanted)));
  const rest = afterCursor(found.sort(byAge), wanted.cursor);
  const runs: Run[] = [];
  for (let at = 0; at < rest.length; at += wanted.limit) {
    const some = rest.slice(at, at + wanted.limit);
    for (const run of await toRuns(queues, some)) {
      if (!isWanted(wanted, run)) continue;
      runs.push(run);
      if (runs.length === wanted.limit)
        return { runs, ...(isLast(rest, run) ? {} : { cursor: cursorOf(run.enqueuedMs, run.id) }) };
    }
  }
  return { runs };
}

async function search(
  queues: Queues,
  queue: string,
  state: JobState,
  wanted: Wanted,
): Promise<Found[]> {
  const found: Found[] = [];
  for (let at = 0; at < LOOKED_AT; at += AT_ONCE) {
    const reader = queues.reader(queue);
    const jobs = await reader.getJobs([state], at, at + AT_ONCE - 1, false);
    for (const job of jobs as (JobFacts | null)[])
      if (job !== null && mayBe(wanted, job)) found.push({ queue, state, job });
    if (jobs.length < AT_ONCE) break;
  }
  return found;
}

function mayBe({ by, name, sinceMs }: Wanted, job: JobFacts): boolean {
  return (
    (name === undefined || job.name === name) &&
    (sinceMs === undefined || job.timestamp >= sinceMs) &&
    (by === undefined || fromStored(job.data).by === by)
  );
}

/** Sorts the newest first; runs of the same millisecond always have the same order. */
function byAge(a: Found, b: Found): number {
  return b.job.timestamp - a.job.timestamp || (idOf(a) < idOf(b) ? 1 : -1);
}

function afterCursor(found: readonly Found[], cursor: string | undefined): readonly Found[] {
  if (cursor === undefined) return found;
  const [time = "", ...id] = cursor.split("~");
  const ms = Number(time);
  if (!/^\d+$/.test(time) || id.length < 2)
    throw optionError("list", "cursor", cursor, "the cursor of the page before");
  const last = id.join("~");
  return found.filter(
    (each) => each.job.timestamp < ms || (each.job.timestamp === ms && idOf(each) < last),
  );
}

function isLast(found: readonly Found[], run: Run): boolean {
  const last = found.at(-1);
  return last !== undefined && idOf(last) === run.id;
}

function cursorOf(enqueuedMs: number, id: string): string {
  return `${enqueuedMs}~${id}`;
}

function idOf({ queue, job }: Found): string {
  return formatRunId(queue, job.id ?? "");
}
