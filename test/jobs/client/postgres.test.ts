import { after } from "node:test";

import { startPostgres, withoutPostgres, withoutTables } from "../../helpers/postgres-server.ts";
import { tryJobs } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

tryJobs({
  skip: withoutPostgres,
  fresh: () => withoutTables(server?.url ?? ""),
});

// BullMQ's readers of events keep connecting to a server that has ended.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
