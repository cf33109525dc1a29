import { createRequire } from "node:module";

import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  DEFAULT_SCHEMA,
  type IQueueBackend,
  quoteSchemaName,
  runMigrations,
} from "bullmq";
import type { Redis, RedisOptions } from "ioredis";
import type { Pool, PoolConfig } from "pg";

import { isNewelError, messageOf, newelError, systemCode } from "../../base/errors.ts";
import { withoutPassword } from "./url.ts";

/** The connections of a store for BullMQ's classes. */
export interface Opened {
  /** The connection that queues share. */
  readonly connection: unknown;
  /** The options for workers and readers of events, which block on the store: each opens its own connection. */
  readonly blocking: unknown;
  readonly factory: BackendFactory<IQueueBackend, never>;
  /** Ends the shared connection. Close its users first. */
  close(): Promise<void>;
}

/** How long a server may take for its first answer, in milliseconds. */
const CONNECT_MS = 5_000;
/** The number of connections of a process to a PostgreSQL server, without the blocking ones. */
const POOL_SIZE = 5;

/**
 * One connection for all queues of this process. A call fails when the server is unreachable, so that a web
 * request does not hang for it; the connection comes back by itself.
 */
export async function openRedis(url: string): Promise<Opened> {
  const module = load("ioredis", url) as {
    Redis: new (url: string, options: RedisOptions) => Redis;
  };
  const client = new module.Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 1,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  });
  // Each failed call reports the error; without a listener the event would be printed too.
  let last: unknown;
  client.on("error", (error) => {
    last = error;
  });
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw unreachable(url, last ?? error);
  }
  return {
    connection: client,
    blocking: { url, maxRetriesPerRequest: null },
    factory: createRedisBackend as unknown as BackendFactory<IQueueBackend, never>,
    close: async () => {
      await client.quit().catch(() => client.disconnect());
    },
  };
}

/** Creates or migrates the tables in the schema `bullmq`. */
export async function openPostgres(url: string): Promise<Opened> {
  const module = load("pg", url) as { Pool: new (options: PoolConfig) => Pool };
  const pool = new module.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_MS,
    options: `-c search_path=${quoteSchemaName(DEFAULT_SCHEMA)}`,
  });
  pool.on("error", () => undefined);
  try {
    const client = await pool.connect();
    try {
      await runMigrations(client, DEFAULT_SCHEMA);
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw unreachable(url, error);
  }
  return {
    connection: pool,
    blocking: { connectionString: url },
    factory: createPostgresBackend as unknown as BackendFactory<IQueueBackend, never>,
    close: () => pool.end(),
  };
}

/** Loads a driver, which the program installs itself if it uses such a server. */
function load(driver: string, url: string): unknown {
  try {
    return createRequire(import.meta.url)(driver);
  } catch (error) {
    if (systemCode(error) !== "MODULE_NOT_FOUND") throw error;
    throw newelError("NEWEL_E_JOBS_DRIVER", { url: withoutPassword(url), driver }, error);
  }
}

/** Errors of drivers that have lost the connection. */
const LOST =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|57P|08|NR_CLOSED)|connection|MaxRetries/i;

/** Converts the error of a call to newel's error when the server is unreachable. */
export function serverError(url: string, error: unknown): unknown {
  if (isNewelError(error) || !(error instanceof Error)) return error;
  const isLost = LOST.test(systemCode(error) ?? "") || LOST.test(error.name + error.message);
  return isLost ? unreachable(url, error) : error;
}

function unreachable(url: string, error: unknown): Error {
  // The message of ioredis names its own option there.
  const message = messageOf(error).replace(
    /^Reached the max retries.*/s,
    "the connection was lost",
  );
  const why = message.replace(/\.$/, "") || systemCode(error) || "no answer";
  return newelError("NEWEL_E_JOBS_UNREACHABLE", { url: withoutPassword(url), why }, error);
}
