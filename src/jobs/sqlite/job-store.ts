import type { JobJson } from "bullmq";

import { durationMs, type Duration } from "../../base/units.ts";
import { newelError } from "../../base/errors.ts";
import { parseConnection, type SqliteConnection } from "./connection.ts";
import { jobJson } from "./job-json.ts";
import type { JobFilter } from "./operations/search.ts";
import { StoreClient } from "./store-client.ts";

/** A job that a search found. */
export interface FoundJob {
  /** The queue's qualified name, `bull:mails`. */
  readonly queue: string;
  readonly state: string;
  readonly job: JobJson;
  /** A search given this goes on behind the job. */
  readonly cursor: number;
}

export interface FoundJobs {
  /** The newest first. */
  readonly jobs: readonly FoundJob[];
  /** Given to the next search it goes on from here; `undefined` when there is no more. */
  readonly cursor: number | undefined;
}

/** A file of jobs as a whole: what BullMQ's queues do not offer. */
export interface JobStore {
  /** Jobs of all queues that a filter finds. @param options.limit - 50 unless said, at most 1,000 */
  search(
    filter?: JobFilter,
    options?: { readonly limit?: number; readonly cursor?: number | undefined },
  ): Promise<FoundJobs>;
  /** Queues by their qualified names, and how many jobs they have in each state. */
  counts(): Promise<Record<string, Record<string, number>>>;
  /** How many jobs a filter finds, by the qualified names of their queues. */
  count(filter: JobFilter): Promise<Record<string, number>>;
  /** Removes finished jobs that a filter finds, or that are older. @returns how many */
  prune(filter: JobFilter & { readonly olderThan?: Duration }): Promise<number>;
  /** What is wrong with the file; empty when nothing is. */
  check(kind?: "quick" | "full"): Promise<readonly string[]>;
  /** Makes the file as small as it can be. Other processes wait meanwhile. */
  vacuum(): Promise<void>;
  /** Copies the file while it is in use, as of one moment. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
}

const LIMIT = 50;
const MOST = 1_000;
const PRUNED_AT_ONCE = 500;

/**
 * Opens a file of jobs for looking and upkeep, beside whoever works with it.
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
    count: (filter) => client.call("countFound", "", filter),
    prune: (filter) => prune(client, filter),
    check: async (kind = "full") => (await client.upkeep("check", kind)) as string[],
    vacuum: async () => void (await client.upkeep("vacuum")),
    backup: async (path) => {
      if (path === "")
        throw newelError("NEWEL_E_JOBS_CONNECTION", { value: '""', why: "it names no file" });
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

/** A few hundred at once, so that workers are not kept waiting. */
async function prune(
  client: StoreClient,
  { olderThan, ...filter }: JobFilter & { readonly olderThan?: Duration },
): Promise<number> {
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
