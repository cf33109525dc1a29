import type { Command } from "../command.ts";
import { CHANGE_OPTIONS, changeRuns } from "../jobs/change.ts";

export const jobsCancel: Command = {
  name: "jobs cancel",
  summary: "Cancel runs: waiting ones never start, running ones stop",
  usage: "RUN… | --all-matching [--queue NAME] [--name NAME] [--state STATE] …",
  words: { max: Infinity },
  options: CHANGE_OPTIONS,
  examples: [
    { line: "newel jobs cancel imports~3fa9c2d1", does: "one run" },
    { line: "newel jobs cancel --all-matching --name mail --state waiting", does: "a mistake" },
  ],
  run: (args, context) =>
    changeRuns(args, context, {
      verb: "cancel",
      done: "cancelled",
      states: ["waiting", "delayed", "running"],
      run: (jobs, id) => jobs.cancel(id),
    }),
};
