import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { printFailure } from "../output/errors.ts";
import { blockedError, formatStats } from "../jobs/format.ts";
import { STORE_OPTION, withJobs } from "../jobs/store.ts";

export const jobsStats: Command = {
  name: "jobs stats",
  summary: "Count the runs of each queue by their state",
  usage: "",
  options: { ...STORE_OPTION },
  examples: [{ line: "newel jobs stats", does: "LATENCY: how long the first in line has waited" }],
  run: (args, context) =>
    withJobs(args, context, async (jobs) => {
      const stats = await jobs.stats();
      const { output } = context;
      if (output.json) output.printDocument(stats);
      else if (stats.length > 0) for (const line of formatStats(stats, output)) output.print(line);
      else output.say("There are no queues yet.");
      const blocked = blockedError(stats);
      if (blocked !== undefined && !output.json) printFailure(output, blocked);
      return EXIT.done;
    }),
};
