import { after, before } from "node:test";

import { createPostgresBackend } from "bullmq";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryBehaviours } from "./behaviours.ts";

let url = "";
before(async () => {
  if (withoutPostgres === false) ({ url } = await startPostgres({ after }));
});

tryBehaviours(
  () => ({ name: "PostgreSQL", connection: url, factory: createPostgresBackend as never }),
  { skip: withoutPostgres },
);
