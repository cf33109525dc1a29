import { counted } from "../../base/counted.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { withQueue } from "../jobs/queue.ts";
import { STORE_OPTION } from "../jobs/store.ts";

export const jobsDrain: Command = {
  name: "jobs drain",
  summary: "Remove the waiting runs of a queue",
  usage: "QUEUE [--delayed]",
  words: { min: 1, max: 1 },
  options: {
    delayed: { summary: "also remove delayed runs" },
    ...STORE_OPTION,
  },
  examples: [
    { line: "newel jobs drain imports", does: "remove waiting runs; running ones continue" },
  ],
  run: (args, context) =>
    withQueue(args, context, async (jobs, queue) => {
      const removed = await jobs.drain(queue, { delayed: args.has("delayed") });
      const { output } = context;
      if (output.json) output.printDocument({ queue, removed });
      else output.print(`${counted(removed, "run")} removed from ${queue}`);
      return EXIT.done;
    }),
};
