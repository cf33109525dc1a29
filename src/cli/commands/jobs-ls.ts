import type { Run } from "../../jobs/api.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { allRuns, FILTER_OPTIONS, readFilter, readLimit } from "../jobs/filter.ts";
import { formatRuns } from "../jobs/format.ts";
import { STORE_OPTION, withJobs } from "../jobs/store.ts";

const LIMIT = 50;

export const jobsLs: Command = {
  name: "jobs ls",
  summary: "List runs of jobs, the newest first",
  usage:
    "[--state STATE] [--queue NAME] [--name NAME] [--error TEXT] [--by ID] [--since TIME] [--limit N]",
  options: {
    ...FILTER_OPTIONS,
    limit: { value: "N", summary: `this many at most (default ${LIMIT})` },
    ...STORE_OPTION,
  },
  examples: [
    { line: "newel jobs ls --state running,waiting", does: "unfinished runs" },
    { line: "newel jobs ls --error ECONNREFUSED --since 1h", does: "what failed for that reason" },
  ],
  run(args, context) {
    const limit = readLimit(args) ?? LIMIT;
    const filter = readFilter(args);
    return withJobs(args, context, async (jobs) => {
      const runs: Run[] = [];
      for await (const run of allRuns(jobs, filter, limit + 1)) runs.push(run);
      const { output } = context;
      const shown = runs.slice(0, limit);
      if (output.json) output.printDocument(shown);
      else if (shown.length > 0)
        for (const line of formatRuns(shown, output, Date.now())) output.print(line);
      else output.say("There are no such runs.");
      if (runs.length > limit) output.say(`There are more: --limit ${limit * 10} shows them.`);
      return EXIT.done;
    });
  },
};
