import type { JobStore } from "../sqlite/job-store.ts";
import { isOwnQueue } from "../names.ts";
import type { Queues } from "./queues.ts";

/** The queue of queue names: each name is a job that no worker takes, because servers do not list their queues. */
const NAMES_QUEUE = "newel-queues";
const MOST = 10_000;

/** BullMQ's prefix of the names of queues. */
export const PREFIX = "bull:";

/** The names of a store's queues, without newel's internal ones. */
export interface QueueNames {
  all(): Promise<readonly string[]>;
  /** Call it before a job is added to a queue. */
  remember(queue: string): Promise<void>;
}

/**
 * Whether a queue is shown: newel's internal queues are not, nor is a name that BullMQ's classes refuse. BullMQ's
 * flows have a
 * queue with an empty name; other programs may have prefixes with colons.
 */
function isListed(name: string): boolean {
  return name !== "" && !name.includes(":") && !isOwnQueue(name);
}

/** The queue names of a file, which stores them itself. */
export function namesOnFile(open: () => Promise<JobStore>): QueueNames {
  return {
    async all() {
      const counts = await (await open()).counts();
      return Object.keys(counts)
        .filter((name) => name.startsWith(PREFIX))
        .map((name) => name.slice(PREFIX.length))
        .filter(isListed);
    },
    remember: async () => undefined,
  };
}

/** The queue names of a server, stored as jobs. */
export function namesOnServer(queues: Queues): QueueNames {
  const remembered = new Map<string, Promise<unknown>>();
  return {
    async all() {
      const noted = await queues.reader(NAMES_QUEUE).getJobs(["waiting"], 0, MOST);
      return noted
        .map((job) => job?.name ?? "")
        .filter(isListed)
        .sort();
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
