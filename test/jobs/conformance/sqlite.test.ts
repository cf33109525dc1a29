import { join } from "node:path";
import { after } from "node:test";

import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";
import { tryBehaviours } from "./behaviours.ts";

const path = join(temporaryDirectory({ after }), "jobs.db");

tryBehaviours(
  () => ({ name: "SQLite", connection: `sqlite:${path}`, factory: createSqliteBackend }),
  { skip: false },
);
