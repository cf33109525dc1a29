import { after } from "node:test";

import { createPostgresBackend } from "bullmq";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryBehaviours } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

/** How BullMQ's PostgreSQL store (6.7) differs from its Redis store. */
const DIFFERS = {
  "adding: data that is no object": "null comes back as an empty object",
  "working: a lock that ended completes nothing":
    "who had the lock may still complete until another took the job",
  "stalling: a stalled job comes before those that wait": "it goes to the end of the line",
  "managing: clean leaves active jobs that are locked": "it removes them",
  "options: prefix: queues of one name under two prefixes are two": "it has no prefixes",
  "options: trimEvents: about so many are left": "not implemented",
  "options: removeDeprecatedPriorityKey: there is none": "not implemented",
  "managing: clean is told": "there is no such event",
  "managing: a removal is told, with the state before": "there is no such event",
};

tryBehaviours(
  () => ({
    name: "PostgreSQL",
    connection: { connectionString: server?.url, migrate: true },
    factory: createPostgresBackend,
  }),
  { skip: withoutPostgres, differs: DIFFERS },
);

// BullMQ's readers of events go on connecting to a server that is gone.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
