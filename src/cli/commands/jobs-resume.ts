import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { withQueue } from "../jobs/queue.ts";
import { STORE_OPTION } from "../jobs/store.ts";

export const jobsResume: Command = {
  name: "jobs resume",
  summary: "Allow runs of a paused queue to start again",
  usage: "QUEUE",
  words: { min: 1, max: 1 },
  options: { ...STORE_OPTION },
  examples: [{ line: "newel jobs resume imports", does: "after newel jobs pause" }],
  run: (args, context) =>
    withQueue(args, context, async (jobs, queue) => {
      await jobs.resume(queue);
      const { output } = context;
      if (output.json) output.printDocument({ queue, paused: false });
      else output.print(`${queue} is resumed`);
      return EXIT.done;
    }),
};
