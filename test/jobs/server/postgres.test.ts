import { after } from "node:test";

import { Client } from "pg";

import { startPostgres, withoutPostgres } from "../../helpers/postgres-server.ts";
import { tryServer } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

tryServer({
  skip: withoutPostgres,
  async fresh() {
    const url = server?.url ?? "";
    const client = new Client(url);
    await client.connect();
    await client.query("DROP SCHEMA IF EXISTS bullmq CASCADE");
    await client.end();
    return url;
  },
});

// BullMQ's readers of events go on connecting to a server that is gone.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
