import { createRedisBackend } from "bullmq";

import type * as SqliteJobs from "../../../src/jobs/sqlite/index.ts";
import { fromDist } from "../../prepare.ts";

/** The options of BullMQ's classes for a store that newel names by its URL. */
export async function bullStore(
  url: string,
): Promise<{ readonly factory: unknown; readonly connection: unknown }> {
  if (url.startsWith("redis:"))
    return { factory: createRedisBackend, connection: { url, maxRetriesPerRequest: null } };
  const { createSqliteBackend } = await fromDist<typeof SqliteJobs>("jobs/sqlite/index");
  return { factory: createSqliteBackend, connection: url };
}
