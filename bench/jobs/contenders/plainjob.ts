import { peer } from "../../prepare.ts";
import type { OpenContender } from "./contender.ts";

/** The used part of plainjob; its workers look for jobs at intervals, and have no concurrency. */
interface Plainjob {
  readonly better: (database: unknown) => unknown;
  readonly defineQueue: (options: object) => {
    add(type: string, data: unknown): unknown;
    addMany(type: string, data: readonly unknown[]): unknown;
    countJobs(options: object): number;
    close(): void;
  };
  readonly defineWorker: (
    type: string,
    processor: () => Promise<void>,
    options: object,
  ) => { start(): Promise<void>; stop(): Promise<void> };
}

const POLL_MS = 50;
const DONE = 2;
const QUIET = { error() {}, warn() {}, info() {}, debug() {} };

export const plainjob: OpenContender = async (connection, type) => {
  const { better, defineQueue, defineWorker } = (await peer("plainjob")) as Plainjob;
  const { default: Database } = (await peer("better-sqlite3")) as {
    default: new (path: string) => unknown;
  };
  const { path } = connection as { path: string };
  const queue = defineQueue({ connection: better(new Database(path)), logger: QUIET });
  return {
    add: async (number) => queue.add(type, { number }),
    addBulk: async (numbers) =>
      queue.addMany(
        type,
        numbers.map((number) => ({ number })),
      ),
    work: async (handler, concurrency) => {
      const workers = Array.from({ length: concurrency }, () =>
        defineWorker(type, async () => handler(), { queue, pollIntervall: POLL_MS, logger: QUIET }),
      );
      for (const worker of workers) void worker.start();
      return () => Promise.all(workers.map((worker) => worker.stop()));
    },
    completed: async () => queue.countJobs({ type, status: DONE }),
    close: async () => queue.close(),
  };
};
