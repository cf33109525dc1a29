import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { withQueue } from "../jobs/queue.ts";
import { STORE_OPTION } from "../jobs/store.ts";

export const jobsDrain: Command = {
  name: "jobs drain",
  summary: "Remove the runs of a queue that wait, for good",
  usage: "QUEUE [--delayed]",
  words: { min: 1, max: 1 },
  options: {
    delayed: { summary: "those that are delayed too" },
    ...STORE_OPTION,
  },
  examples: [{ line: "newel jobs drain imports", does: "what runs goes on; the rest is gone" }],
  run: (args, context) =>
    withQueue(args, context, async (jobs, queue) => {
      const removed = await jobs.drain(queue, { delayed: args.has("delayed") });
      const { output } = context;
      if (output.json) output.printDocument({ queue, removed });
      else output.print(`${removed} ${removed === 1 ? "run" : "runs"} removed from ${queue}`);
      return EXIT.done;
    }),
};
