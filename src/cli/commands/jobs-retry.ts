import type { Command } from "../command.ts";
import { CHANGE_OPTIONS, changeRuns } from "../jobs/change.ts";

export const jobsRetry: Command = {
  name: "jobs retry",
  summary: "Requeue failed or cancelled runs",
  usage: "RUN… | --all-matching [--queue NAME] [--name NAME] [--error TEXT] …",
  words: { max: Infinity },
  options: CHANGE_OPTIONS,
  examples: [
    { line: "newel jobs retry imports~3fa9c2d1", does: "one run, with all its attempts" },
    {
      line: "newel jobs retry --all-matching --state failed --error ECONNREFUSED",
      does: "after the fix",
    },
  ],
  notes: ["With --all-matching and no --state, cancelled runs are requeued too."],
  run: (args, context) =>
    changeRuns(args, context, {
      verb: "retry",
      done: "retried",
      states: ["failed", "cancelled"],
      run: (jobs, id) => jobs.retry(id),
    }),
};
