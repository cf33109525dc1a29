import { resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { restoreJobStore } from "../../jobs/sqlite/restore.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findStore, STORE_OPTION } from "../jobs/store.ts";

export const jobsRestore: Command = {
  name: "jobs restore",
  summary: "Replace the file of jobs by a backup, and keep the old file",
  usage: "BACKUP",
  words: { min: 1, max: 1 },
  options: { ...STORE_OPTION },
  examples: [{ line: "newel jobs restore backups/jobs.db", does: "also while the app runs" }],
  notes: [
    "The backup is opened for reading only. The old file is kept as `FILE.replaced-TIME`, with its WAL. Processes that have the file open continue with the backup's content; one call of each is refused.",
  ],
  async run(args, context) {
    const [backup = ""] = args.words;
    const { url } = await findStore(args, context);
    if (!url.startsWith("sqlite:"))
      throw newelError("NEWEL_E_JOBS_STORE", { url, why: "only a file of jobs can be restored" });
    const { path, kept } = await restoreJobStore(resolve(context.cwd, backup), url);
    const { output } = context;
    if (output.json) output.printDocument({ path, kept: kept ?? null });
    else
      output.print(
        kept === undefined
          ? `${path} has the content of ${backup}`
          : `${path} has the content of ${backup}; the former file is kept as ${kept}`,
      );
    return EXIT.done;
  },
};
