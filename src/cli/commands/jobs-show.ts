import { newelError } from "../../base/errors.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { formatRun } from "../jobs/format.ts";
import { STORE_OPTION, withJobs } from "../jobs/store.ts";

export const jobsShow: Command = {
  name: "jobs show",
  summary: "Show a run in detail, with its log",
  usage: "RUN",
  words: { min: 1, max: 1 },
  options: { ...STORE_OPTION },
  examples: [
    { line: "newel jobs show imports~3fa9c2d1", does: "state, error, input, result, log" },
  ],
  run(args, context) {
    const [id = ""] = args.words;
    return withJobs(args, context, async (jobs) => {
      const run = await jobs.get(id);
      const logs = await jobs.logs(id);
      if (run === undefined) throw newelError("NEWEL_E_JOB_NO_RUN", { id });
      const { output } = context;
      if (output.json) output.printDocument({ ...run, logs });
      else for (const line of formatRun(run, logs, output, Date.now())) output.print(line);
      return EXIT.done;
    });
  },
};
