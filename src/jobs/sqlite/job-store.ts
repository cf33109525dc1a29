import type { JobJson } from "bullmq";

import { durationMs, type Duration } from "../../base/units.ts";
import { newelError } from "../../base/errors.ts";
import { parseConnection, type SqliteConnection } from "./connection.ts";
import { checkFilter, checkPage } from "./filters.ts";
import { jobJson } from "./job-json.ts";
import type { JobFilter } from "./operations/search.ts";
import { StoreClient } from "./store-client.ts";

/** A job that a search found. */
export interface FoundJob {
  /** The queue's qualified name, `bull:mails`. */
  readonly queue: string;
  /** BullMQ's name of the state, such as `waiting` or `completed`. */
  readonly state: string;
  /** The job, in the form in which BullMQ stores it. */
  readonly job: JobJson;
  /** A search with this cursor continues after the job. */
  readonly cursor: number;
}

/** The jobs that a search found. */
export interface FoundJobs {
  /** The newest first. */
  readonly jobs: readonly FoundJob[];
  /** The cursor for the next search; `undefined` when there are no more jobs. */
  readonly cursor: number | undefined;
}

/** Operations on a whole job file that BullMQ's queues do not offer. */
export interface JobStore {
  /** Finds jobs of all queues by a filter. @param options.limit - default 50, at most 1,000 */
  search(
    filter?: JobFilter,
    options?: { readonly limit?: number; readonly cursor?: number | undefined },
  ): Promise<FoundJobs>;
  /** Returns the number of jobs in each state, by the qualified names of the queues. */
  counts(): Promise<Record<string, Record<string, number>>>;
  /** Counts the jobs that match a filter, by the qualified names of their queues. */
  count(filter: JobFilter): Promise<Record<string, number>>;
  /** Removes finished jobs that match a filter or are older than a time. @returns the number of removed jobs */
  prune(filter: JobFilter & { readonly olderThan?: Duration }): Promise<number>;
  /** Checks the file. @returns its errors; empty when there are none */
  check(kind?: "quick" | "full"): Promise<readonly string[]>;
  /** Shrinks the file (VACUUM). Other processes wait until it is done. */
  vacuum(): Promise<void>;
  /** Copies the file while it is in use; the copy is a consistent snapshot. */
  backup(path: string): Promise<void>;
  /** Closes the file in this process, after the operations under way. */
  close(): Promise<void>;
}

const LIMIT = 50;
const MOST = 1_000;
const PRUNED_AT_ONCE = 500;

/**
 * Opens a job file for inspection and maintenance, while other programs may work with it.
 *
 * @throws NEWEL_E_JOBS_CONNECTION, NEWEL_E_JOBS_FILE, NEWEL_E_JOBS_DAMAGED, NEWEL_E_JOBS_NEWER
 */
export async function openJobStore(connection: SqliteConnection): Promise<JobStore> {
  const client = StoreClient.acquire(parseConnection(connection));
  try {
    await client.call("countAll", "");
  } catch (error) {
    await client.release();
    throw error;
  }
  return {
    search: (filter = {}, options = {}) => search(client, filter, options),
    counts: () => client.call("countAll", ""),
    count: async (filter) => {
      checkFilter(filter);
      return client.call("countFound", "", filter);
    },
    prune: (filter) => prune(client, filter),
    check: async (kind = "full") => {
      if (kind !== "quick" && kind !== "full")
        throw newelError("NEWEL_E_STORE_ARGUMENT", {
          what: "The kind of check",
          why: "it is neither quick nor full",
        });
      return (await client.upkeep("check", kind)) as string[];
    },
    vacuum: async () => void (await client.upkeep("vacuum")),
    backup: async (path) => {
      if (typeof path !== "string" || path === "" || path.includes("\0"))
        throw newelError("NEWEL_E_JOBS_CONNECTION", {
          value: JSON.stringify(path) ?? "undefined",
          why: "it names no file",
        });
      await client.upkeep("backup", path);
    },
    close: () => client.release(),
  };
}

async function search(
  client: StoreClient,
  filter: JobFilter,
  { limit = LIMIT, cursor }: { readonly limit?: number; readonly cursor?: number | undefined },
): Promise<FoundJobs> {
  checkFilter(filter);
  checkPage({ limit, cursor });
  const bounded = Math.max(1, Math.min(limit, MOST));
  const rows = await client.call("searchJobs", "", filter, bounded, cursor ?? null);
  return {
    jobs: rows.map(({ key, queue, state, job }) => ({
      queue,
      state,
      job: jobJson(job),
      cursor: key,
    })),
    cursor: rows.length < bounded ? undefined : rows.at(-1)?.key,
  };
}

/** Jobs that one transaction removes: a few hundred, so that workers do not wait long. */
async function prune(
  client: StoreClient,
  given: JobFilter & { readonly olderThan?: Duration },
): Promise<number> {
  checkFilter(given, true);
  const { olderThan, ...filter } = given;
  const before =
    olderThan === undefined
      ? {}
      : { finishedBefore: Date.now() - durationMs(olderThan, "olderThan") };
  let removed = 0;
  for (;;) {
    const some = await client.call("pruneJobs", "", { ...before, ...filter }, PRUNED_AT_ONCE);
    removed += some;
    if (some < PRUNED_AT_ONCE) return removed;
  }
}
