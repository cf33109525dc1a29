// The same with BullMQ alone: a worker that calls `job.updateProgress`. `bare.ts STORE`
import { setTimeout as sleep } from "node:timers/promises";

import { createRedisBackend, Worker } from "bullmq";

import type * as SqliteJobs from "../../src/jobs/sqlite/index.ts";
import { fromDist } from "../prepare.ts";
import { APART_MS, now, TOLD } from "./clock.ts";

const [store = ""] = process.argv.slice(2);
const { createSqliteBackend } = await fromDist<typeof SqliteJobs>("jobs/sqlite/index");
const isRedis = store.startsWith("redis:");
const connection = isRedis ? { url: store, maxRetriesPerRequest: null } : store;
const worker = new Worker(
  "bare",
  async (job) => {
    for (let done = 1; done <= TOLD; done += 1) {
      await sleep(APART_MS);
      await job.updateProgress({ done, total: TOLD, note: String(now()) });
    }
  },
  { connection } as never,
  (isRedis ? createRedisBackend : createSqliteBackend) as never,
);
await worker.waitUntilReady();
console.log("ready");
