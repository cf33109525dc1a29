import type { JobStore } from "../sqlite/job-store.ts";
import { isOwnQueue } from "../names.ts";
import type { Queues } from "./queues.ts";

/** Each queue of a store on a server, as a job that nobody takes: no server tells its queues' names. */
const NAMES_QUEUE = "newel-queues";
const MOST = 10_000;

/** BullMQ's prefix of the names of queues. */
export const PREFIX = "bull:";

/** The names of a store's queues, newel's own apart. */
export interface QueueNames {
  all(): Promise<readonly string[]>;
  /** Called before something is put into a queue. */
  remember(queue: string): Promise<void>;
}

/** A file knows its queues. */
export function namesOnFile(open: () => Promise<JobStore>): QueueNames {
  return {
    async all() {
      const counts = await (await open()).counts();
      return Object.keys(counts)
        .filter((name) => name.startsWith(PREFIX))
        .map((name) => name.slice(PREFIX.length))
        .filter((name) => !isOwnQueue(name));
    },
    remember: async () => undefined,
  };
}

/** On a server the names are written down. */
export function namesOnServer(queues: Queues): QueueNames {
  const remembered = new Map<string, Promise<unknown>>();
  return {
    async all() {
      const noted = await queues.reader(NAMES_QUEUE).getJobs(["waiting"], 0, MOST);
      return noted.map(({ name }) => name).sort();
    },
    async remember(queue) {
      let noted = remembered.get(queue);
      if (noted === undefined) {
        noted = queues.writer(NAMES_QUEUE).add(queue, {}, { jobId: `q-${queue}` });
        remembered.set(queue, noted);
        noted.catch(() => remembered.delete(queue));
      }
      await noted;
    },
  };
}
