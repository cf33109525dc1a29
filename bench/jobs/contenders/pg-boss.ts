import { peer } from "../../prepare.ts";
import type { OpenContender } from "./contender.ts";

/** The used part of pg-boss. */
interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: object): Promise<unknown>;
  insert(name: string, jobs: readonly object[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly unknown[]) => Promise<void>,
  ): Promise<string>;
  offWork(name: string, options?: object): Promise<void>;
  getDb(): { executeSql(sql: string, values: unknown[]): Promise<{ rows: { count: string }[] }> };
}

/** The best of its settings in the study: batches, woken by NOTIFY, without a pause while there is work. */
const BATCH = 10;

export const pgBoss: OpenContender = async (connection, queue) => {
  const { PgBoss } = (await peer("pg-boss")) as { PgBoss: new (options: object) => Boss };
  const { connectionString } = connection as { connectionString: string };
  const boss = new PgBoss({ connectionString, useListenNotify: true });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(queue, { notify: true });
  return {
    add: (number) => boss.send(queue, { number }),
    addBulk: (numbers) =>
      boss.insert(
        queue,
        numbers.map((number) => ({ data: { number } })),
      ),
    work: async (handler) => {
      const options = {
        batchSize: BATCH,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
        notifyPollingIntervalSeconds: 0.5,
      };
      await boss.work(queue, options, async (jobs) => {
        for (const _ of jobs) handler();
      });
      return () => boss.offWork(queue);
    },
    completed: async () => {
      const { rows } = await boss
        .getDb()
        .executeSql("SELECT count(*) FROM pgboss.job WHERE name = $1 AND state = 'completed'", [
          queue,
        ]);
      return Number(rows[0]?.count);
    },
    close: () => boss.stop({ graceful: false }),
  };
};
