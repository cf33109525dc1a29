import type { Run, RunPage } from "../api.ts";
import { optionError } from "../names.ts";
import type { FoundJob, JobStore } from "../sqlite/job-store.ts";
import type { JobFilter } from "../sqlite/operations/search.ts";
import { bullStates, isWanted, MOST, type Wanted } from "./filter.ts";
import { type Found, toRuns } from "./look.ts";
import { PREFIX } from "./names.ts";
import type { Queues } from "./queues.ts";
import { factsOf } from "./run.ts";

/** How many pages of a thousand one call reads; a result may be short, and its cursor continues the search. */
const PAGES = 20;

/** Finds runs in a file, by its own search. */
export async function listOnFile(
  store: JobStore,
  queues: Queues,
  wanted: Wanted,
): Promise<RunPage> {
  const filter = toJobFilter(wanted);
  const runs: Run[] = [];
  let cursor = readCursor(wanted.cursor);
  for (let page = 1; page <= PAGES; page += 1) {
    // After a page with runs that did not match, more is read at once.
    const limit = page === 1 ? wanted.limit : MOST;
    const found = await store.search(filter, { limit, cursor });
    const seen = await toRuns(queues, found.jobs.map(toFound));
    for (const [at, run] of seen.entries()) {
      if (isWanted(wanted, run)) runs.push(run);
      if (runs.length === wanted.limit)
        return { runs, ...cursorOf(found.jobs[at + 1] && found.jobs[at]?.cursor, found.cursor) };
    }
    cursor = found.cursor;
    if (cursor === undefined) return { runs };
  }
  return { runs, cursor: String(cursor) };
}

/** The cursor after the last returned run: within the found jobs, or at their end. */
function cursorOf(middle: number | undefined, end: number | undefined): { cursor?: string } {
  const cursor = middle ?? end;
  return cursor === undefined ? {} : { cursor: String(cursor) };
}

function readCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const key = Number(cursor);
  if (Number.isSafeInteger(key) && key > 0) return key;
  throw optionError("list", "cursor", cursor, "the cursor of the page before");
}

function toJobFilter(wanted: Wanted): JobFilter {
  const { queue, name, error, sinceMs, by } = wanted;
  const states = bullStates(wanted);
  return {
    ...(queue === undefined ? {} : { queue: PREFIX + queue }),
    ...(states === undefined ? {} : { states }),
    ...(name === undefined ? {} : { name }),
    ...(error === undefined ? {} : { error }),
    ...(sinceMs === undefined ? {} : { addedFrom: sinceMs }),
    ...(by === undefined ? {} : { whose: by }),
  };
}

function toFound({ queue, state, job }: FoundJob): Found {
  return { queue: queue.slice(PREFIX.length), state, job: factsOf(job) };
}
