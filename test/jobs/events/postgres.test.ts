import { after } from "node:test";

import { createPostgresBackend } from "bullmq";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryEvents } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

tryEvents(
  () => ({
    name: "PostgreSQL",
    connection: { connectionString: server?.url, migrate: true },
    factory: createPostgresBackend,
  }),
  { skip: withoutPostgres },
);

// BullMQ's readers of events keep connecting to a server that has ended.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
