import { after } from "node:test";

import { startPostgres, withoutPostgres, withoutTables } from "../../helpers/postgres-server.ts";
import { tryServer } from "./behaviours.ts";

const server = withoutPostgres === false ? await startPostgres({ after }) : undefined;

tryServer({
  skip: withoutPostgres,
  fresh: () => withoutTables(server?.url ?? ""),
});

// BullMQ's readers of events keep connecting to a server that has ended.
after(() => void setTimeout(() => process.exit(), 1_000).unref());
