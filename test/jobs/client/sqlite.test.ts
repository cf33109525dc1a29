import { join } from "node:path";

import { temporaryDirectory } from "../../helpers/resources.ts";
import { tryJobs } from "./behaviours.ts";

tryJobs({
  skip: false,
  fresh: async (scope) => `sqlite:${join(temporaryDirectory(scope), "data", "jobs.db")}`,
});
