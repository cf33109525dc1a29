import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createRedisBackend } from "bullmq";
import { Redis } from "ioredis";

import { createSqliteBackend, openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import { cleanUp, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import type { PlayedStore } from "./player.ts";
import { describeDifference, differenceOf, digestOf, playSeed } from "./trace.ts";

const PROGRAMS = 101;
/** The results of programs on Redis, one line each: the seed and the digest of the trace. The last one found a fault. */
const RECORDED = new URL("redis-traces.txt", import.meta.url);

async function openFile(scope: Scope): Promise<PlayedStore> {
  const connection = `sqlite:${join(temporaryDirectory(scope), "jobs.db")}?synchronous=normal`;
  // The file stays open from one program to the next.
  const store = await openJobStore(connection);
  cleanUp(scope, () => store.close());
  return { name: "SQLite", connection, factory: createSqliteBackend };
}

test("random programs end on SQLite as they were recorded on Redis", async (scope) => {
  const recorded = new Map(
    readFileSync(RECORDED, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
  assert.equal(recorded.size, PROGRAMS);
  const sqlite = await openFile(scope);
  const others: string[] = [];
  for (const [seed, digest] of recorded)
    if (digestOf(await playSeed(sqlite, Number(seed))) !== digest) others.push(seed);
  assert.deepEqual(others, [], "`npm run soak -- jobs-differential` shows what differs");
});

test(
  "the record has the present behaviour of Redis, and differences are found",
  { skip: withoutRedis },
  async (scope) => {
    const { port } = await startRedis(scope);
    const connection = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null });
    cleanUp(scope, () => connection.disconnect());
    const redis = { name: "Redis", connection, factory: createRedisBackend as never };
    const lines = readFileSync(RECORDED, "utf8").split("\n").slice(0, 10);
    for (const line of lines) {
      const seed = Number(line.split(" ")[0]);
      const trace = await playSeed(redis, seed);
      assert.equal(`${seed} ${digestOf(trace)}`, line);
      const changed = { ...trace, answers: [...trace.answers.slice(0, -1), '{"jobs":{}}'] };
      const difference = differenceOf(trace, changed);
      assert.ok(difference !== undefined, `seed ${seed}`);
      assert.match(describeDifference(seed, difference, ["one", "other"]), /final state/);
    }
  },
);
