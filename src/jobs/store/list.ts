import type { ListFilter, Run, RunPage, RunState } from "../api.ts";
import { checkQueue, isOwnQueue, optionError } from "../names.ts";
import { readBy } from "../scope.ts";
import type { FoundJob, JobStore } from "../sqlite/job-store.ts";
import type { JobFilter } from "../sqlite/operations/search.ts";
import { type Found, toRuns } from "./look.ts";
import { PREFIX } from "./names.ts";
import type { Queues } from "./queues.ts";
import { BULL_STATES, factsOf } from "./run.ts";

const LIMIT = 50;
const MOST = 1_000;
const STATES = Object.keys(BULL_STATES) as RunState[];
const ACTIVE: readonly RunState[] = ["waiting", "delayed", "running"];
/** A filter that was checked. */
export interface Wanted {
  readonly by: string | undefined;
  /** `undefined`: any. */
  readonly states: readonly RunState[] | undefined;
  readonly queue: string | undefined;
  readonly name: string | undefined;
  readonly error: string | undefined;
  readonly sinceMs: number | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/**
 * Reads a filter.
 *
 * @throws NEWEL_E_JOB_OPTION, NEWEL_E_JOB_BY
 */
export function readFilter(filter: ListFilter): Wanted {
  const { active, states, queue, name, error, sinceMs, limit = LIMIT, cursor } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    throw optionError("list", "limit", limit, `a whole number from 1 to ${MOST}`);
  for (const state of states ?? []) {
    if (!STATES.includes(state)) throw optionError("list", "states", state, STATES.join(", "));
  }
  const asked = active === true ? ACTIVE : undefined;
  return {
    by: readBy(filter),
    states: states === undefined ? asked : states.filter((state) => asked?.includes(state) ?? true),
    queue: queue === undefined ? undefined : checkQueue(queue, "list"),
    name,
    error,
    sinceMs,
    limit,
    cursor,
  };
}

/** Whether a run is wanted, all that a store could not look for included. */
export function isWanted(wanted: Wanted, run: Run): boolean {
  const { states, error } = wanted;
  if (isOwnQueue(run.queue)) return false;
  if (states !== undefined && !states.includes(run.state)) return false;
  if (error === undefined) return true;
  const part = error.toLowerCase();
  const { code = "", message = "" } = run.error ?? {};
  return message.toLowerCase().includes(part) || code.toLowerCase().includes(part);
}

/** BullMQ's states in which a wanted run may be. */
export function bullStates({ states }: Wanted): readonly string[] | undefined {
  return states && [...new Set(states.flatMap((state) => BULL_STATES[state]))];
}

/** How many pages of a thousand one call reads; a page may be short, its cursor goes on. */
const PAGES = 20;

/** Runs on a file, found by its own search. */
export async function listOnFile(
  store: JobStore,
  queues: Queues,
  wanted: Wanted,
): Promise<RunPage> {
  const filter = toJobFilter(wanted);
  const runs: Run[] = [];
  let cursor = readCursor(wanted.cursor);
  for (let page = 1; page <= PAGES; page += 1) {
    // Once a page was in vain in part, more is read at once.
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

/** Behind the last run that was taken: in the middle of what was found, or at its end. */
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
    ...(by === undefined ? {} : { data: { by } }),
  };
}

function toFound({ queue, state, job }: FoundJob): Found {
  return { queue: queue.slice(PREFIX.length), state, job: factsOf(job) };
}
