import { createPostgresBackend, createRedisBackend, Queue, Worker } from "bullmq";

import type * as SqliteJobs from "../../../src/jobs/sqlite/index.ts";
import { fromDist } from "../../prepare.ts";
import type { Contender, OpenContender } from "./contender.ts";

export const sqlite: OpenContender = async (connection, queue) => {
  const built = await fromDist<typeof SqliteJobs>("jobs/sqlite/index");
  return open(connection, queue, built.createSqliteBackend);
};

export const redis: OpenContender = (connection, queue) =>
  open(connection, queue, createRedisBackend);

export const postgres: OpenContender = (connection, queue) =>
  open(connection, queue, createPostgresBackend);

async function open(connection: unknown, name: string, factory: unknown): Promise<Contender> {
  const queue = new Queue(name, { connection } as never, factory as never);
  await queue.waitUntilReady();
  return {
    add: (number) => queue.add("n", { number }),
    addBulk: (numbers) => queue.addBulk(numbers.map((number) => ({ name: "n", data: { number } }))),
    work: async (handler, concurrency) => {
      const worker = new Worker(
        name,
        async () => handler(),
        { connection, concurrency } as never,
        factory as never,
      );
      await worker.waitUntilReady();
      return () => worker.close();
    },
    completed: () => queue.getCompletedCount(),
    close: () => queue.close(),
  };
}
