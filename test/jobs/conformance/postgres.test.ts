import { after } from "node:test";

import { createPostgresBackend } from "bullmq";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryBehaviours } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

/** How BullMQ's PostgreSQL store (6.7) differs from its Redis store. */
const DIFFERS = {
  "adding: data that is not an object": "null comes back as an empty object",
  "working: an expired lock completes no job":
    "who had the lock may still complete until another took the job",
  "stalling: a stalled job comes before waiting jobs": "it goes to the end of the line",
  "managing: clean leaves active jobs that are locked": "it removes them",
  "options: prefix: queues of one name under two prefixes are two": "it has no prefixes",
  "options: trimEvents: about the given number of events is left": "not implemented",
  "options: removeDeprecatedPriorityKey: reports that there is no such key": "not implemented",
  "managing: clean emits an event": "there is no such event",
  "flows: removeChildDependency of a job without a parent is refused": "it answers false",
  "scheduling: an upsert while a scheduler's job waits for a retry leaves one next job, and both run":
    "the job that waits becomes the next one",
  "scheduling: every of a fraction of a millisecond": "it refuses fractions",
  "values: a delay of a fraction of a millisecond": "it refuses fractions",
  "values: a backoff of a fraction of a millisecond": "it refuses fractions",
  "values: a time of a fraction of a millisecond: timestamp, changeDelay, moveToDelayed":
    "it refuses fractions",
  "values: a job with a negative priority comes before others with a priority": "it counts as none",
  "values: a log line of any value is its text": "an error is kept as JSON",
  "managing: a removal emits an event with the previous state": "there is no such event",
};

tryBehaviours(
  () => ({
    name: "PostgreSQL",
    connection: { connectionString: server?.url, migrate: true },
    factory: createPostgresBackend,
  }),
  { skip: withoutPostgres, differs: DIFFERS },
);

// BullMQ's readers of events keep connecting to a server that has ended.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
