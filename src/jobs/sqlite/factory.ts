import type { BackendFactory } from "bullmq";

import { SqliteQueueBackend } from "./backend.ts";
import type { BackendOptions } from "./backend-reads.ts";
import { parseConnection, type SqliteConnection } from "./connection.ts";
import { StoreClient } from "./store-client.ts";

/**
 * BullMQ's backend on a file: pass it as the last argument of `Queue`, `Worker`, `QueueEvents` or `FlowProducer`, and
 * the file as their `connection`.
 *
 * ```ts
 * const queue = new Queue("mails", { connection: "sqlite:./jobs.db" }, createSqliteBackend);
 * ```
 *
 * All queues and workers of a process with the same file share one thread, which has the file open.
 *
 * @throws NEWEL_E_JOBS_CONNECTION when the connection names no file
 */
export const createSqliteBackend: BackendFactory<SqliteQueueBackend, SqliteConnection> = (
  name,
  opts,
  { blocking = false, withBlockingConnection = false } = {},
) => {
  const options = opts as BackendOptions;
  const client = StoreClient.acquire(parseConnection(options.connection));
  if (withBlockingConnection) client.guard();
  const backend = new SqliteQueueBackend(
    client,
    name,
    options,
    true,
    withBlockingConnection ? workerClientName(name, options) : undefined,
  );
  if (blocking) backend.startEvents();
  return backend;
};

function workerClientName(queue: string, { name, prefix = "bull" }: BackendOptions): string {
  const suffix = name === undefined ? "" : `:w:${name}`;
  return `${prefix}:${Buffer.from(queue).toString("base64")}${suffix}`;
}
