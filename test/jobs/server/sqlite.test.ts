import { after } from "node:test";
import { join } from "node:path";

import { temporaryDirectory } from "../../helpers/resources.ts";
import { tryServer } from "./behaviours.ts";

tryServer({
  skip: false,
  fresh: async () => `sqlite:${join(temporaryDirectory({ after }), "jobs.db")}`,
});
