import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { Pool } from "pg";

import type { Run, StoredJob } from "../api.ts";
import { formatRunId } from "../names.ts";
import { lookAt } from "./look.ts";
import { PREFIX } from "./names.ts";
import type { Queues } from "./queues.ts";

/** BullMQ's deduplication id of a key: two definitions, and two owners, may use the same key without a conflict. */
export function keyId(name: string, { by = "" }: Pick<StoredJob, "by">, key: string): string {
  return [name, by, key].map(encodeURIComponent).join("/");
}

/** A run that has or requests a key. */
export interface KeyedJob {
  readonly queue: string;
  /** BullMQ's id. */
  readonly id: string;
  /** See {@link keyId}. */
  readonly key: string;
}

/** How many times a claim takes over a key whose run ended during the claim. */
const TRIES = 5;

/**
 * Gives a run its key, so that no other run with the key is unfinished at the same time: for a retried run, or one
 * that a
 * schedule has created. In BullMQ only `add` gives keys.
 *
 * @returns the unfinished run that has the key; `undefined` when it belongs to this run now
 */
export async function claimKey(queues: Queues, job: KeyedJob): Promise<Run | undefined> {
  const queue = queues.writer(job.queue);
  let holder: Run | undefined;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const id = await holderAfterClaim(queues, queue, job);
    if (id === job.id) return undefined;
    holder = await lookAt(queues, formatRunId(job.queue, id), undefined);
    if (holder !== undefined && !isOver(holder)) return holder;
    // The run ended in the meantime, was removed, or its key is stale.
    if ((await queue.getDeduplicationJobId(job.key)) === id)
      await queue.removeDeduplicationKey(job.key);
  }
  return holder;
}

/** Whether a run does not block other runs with its key. */
export function isOver({ state }: Run): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

async function holderAfterClaim(queues: Queues, queue: Queue, job: KeyedJob): Promise<string> {
  const { kind, connection } = queues.backend;
  if (kind === "sqlite") {
    const backend = queue.getBackend() as unknown as {
      claimDeduplicationKey(key: string, jobId: string): Promise<string>;
    };
    return backend.claimDeduplicationKey(job.key, job.id);
  }
  return kind === "redis"
    ? claimOnRedis(connection as Redis, job)
    : claimOnPostgres(connection as Pool, job);
}

/** Keys and fields as in BullMQ's scripts: `de:KEY` holds the id, and with the field `deid` a finished job frees it. */
const CLAIM = `
if redis.call("EXISTS", KEYS[2]) == 0 then return ARGV[1] end
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call("SET", KEYS[1], ARGV[1])
redis.call("HSET", KEYS[2], "deid", ARGV[2])
return ARGV[1]`;

async function claimOnRedis(client: Redis, { queue, id, key }: KeyedJob): Promise<string> {
  const base = `${PREFIX}${queue}:`;
  return String(await client.eval(CLAIM, 2, `${base}de:${key}`, base + id, id, key));
}

async function claimOnPostgres(pool: Pool, { queue, id, key }: KeyedJob): Promise<string> {
  await pool.query(
    `WITH claimed AS (
       INSERT INTO dedup (queue, dedup_id, job_id)
       SELECT $1, $2, id FROM job WHERE queue = $1 AND id = $3
       ON CONFLICT (queue, dedup_id) DO UPDATE SET job_id = EXCLUDED.job_id, expire_at_ms = NULL
       WHERE dedup.expire_at_ms <= $4
       RETURNING job_id)
     UPDATE job SET dedup_id = $2 WHERE queue = $1 AND id IN (SELECT job_id FROM claimed)`,
    [queue, key, id, Date.now()],
  );
  const found = await pool.query<{ job_id: string }>(
    "SELECT job_id FROM dedup WHERE queue = $1 AND dedup_id = $2",
    [queue, key],
  );
  return found.rows[0]?.job_id ?? id;
}
