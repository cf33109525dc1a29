import { after } from "node:test";

import { createPostgresBackend } from "bullmq";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryBehaviours } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

tryBehaviours(
  () => ({ name: "PostgreSQL", connection: { connectionString: server?.url, migrate: true }, factory: createPostgresBackend as never }),
  { skip: withoutPostgres },
);
