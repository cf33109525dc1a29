// Soak: random BullMQ programs on the SQLite store and on BullMQ's Redis and PostgreSQL stores. The answers and the final
// states have to be the same. BullMQ's PostgreSQL store differs from its Redis store: programs for it are shaped by the rules
// of test/jobs/differential/postgres-rules.ts, one for each known difference, and compared with the same programs on SQLite.
// `node test/soak/jobs-differential.ts [--programs 5000] [--from 1] [--show 3] [--without-postgres]
// [--record FILE]`; one line at the end, exit code 1 on a difference. `--record` writes the digests of what Redis answers.
import { parseArgs } from "node:util";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { createPostgresBackend, createRedisBackend, Queue } from "bullmq";
import { Redis } from "ioredis";
import { Pool } from "pg";

import { createSqliteBackend, openJobStore } from "../../src/jobs/sqlite/index.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { startRedis } from "../helpers/redis-server.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import {
  describeDifference,
  differenceOf,
  digestOf,
  playSeed,
  type Trace,
} from "../jobs/differential/trace.ts";
import { POSTGRES_RULES } from "../jobs/differential/postgres-rules.ts";
import { type Ends, withScope } from "../load/scope.ts";

const { values } = parseArgs({
  options: {
    programs: { type: "string", default: "5000" },
    from: { type: "string", default: "1" },
    show: { type: "string", default: "3" },
    record: { type: "string" },
    "without-postgres": { type: "boolean", default: false },
  },
});

await withScope(async (scope) => {
  const { port } = await startRedis(scope);
  const connection = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
  const redis = { name: "Redis", connection, factory: createRedisBackend as never };
  const path = join(temporaryDirectory(scope), "jobs.db");
  const sqlite = {
    name: "SQLite",
    connection: `sqlite:${path}?synchronous=normal`,
    factory: createSqliteBackend as never,
  };
  // The file stays open from one program to the next.
  const store = await openJobStore(sqlite.connection);
  const pool = values["without-postgres"] ? undefined : await openPool(scope);
  const postgres = pool && {
    name: "PostgreSQL",
    connection: pool,
    factory: createPostgresBackend as never,
  };
  const differ = { Redis: 0, PostgreSQL: 0 };
  const compare = (
    seed: number,
    trace: Trace,
    other: "Redis" | "PostgreSQL",
    theirs: Trace,
  ): void => {
    const difference = differenceOf(trace, theirs);
    if (difference === undefined) return;
    differ[other] += 1;
    if (differ[other] <= Number(values.show))
      console.error(describeDifference(seed, difference, ["SQLite", other]));
  };
  const recorded: string[] = [];
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.programs); seed += 1) {
    const trace = await playSeed(sqlite, seed);
    const onRedis = await playSeed(redis, seed);
    recorded.push(`${seed} ${digestOf(onRedis)}\n`);
    compare(seed, trace, "Redis", onRedis);
    if (postgres === undefined) continue;
    const shaped = { forPostgres: true };
    const onPostgres = await playSeed(postgres, seed, shaped);
    compare(seed, await playSeed(sqlite, seed, shaped), "PostgreSQL", onPostgres);
  }
  if (values.record !== undefined) writeFileSync(values.record, recorded.join(""));
  connection.disconnect();
  await store.close();
  await pool?.end();
  if (differ.Redis + differ.PostgreSQL > 0) process.exitCode = 1;
  const count = (name: "Redis" | "PostgreSQL"): string =>
    `${differ[name]} undocumented differences from ${name}`;
  const besides =
    pool === undefined
      ? ""
      : `, ${count("PostgreSQL")} (${POSTGRES_RULES.length} known ones left out)`;
  console.log(`jobs-differential: ${values.programs} programs, ${count("Redis")}${besides}`);
});

/** Connections to a new PostgreSQL server that has BullMQ's tables. */
async function openPool(scope: Ends): Promise<Pool> {
  const { url } = await startPostgres(scope);
  const connection = { connectionString: url, migrate: true };
  const queue = new Queue("first", { connection }, createPostgresBackend);
  await queue.waitUntilReady();
  await queue.close();
  const pool = new Pool({ connectionString: url, max: 4, options: "-c search_path=bullmq" });
  pool.on("error", () => undefined);
  pool.setMaxListeners(0);
  return pool;
}
