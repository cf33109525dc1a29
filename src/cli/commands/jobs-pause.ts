import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { withQueue } from "../jobs/queue.ts";
import { STORE_OPTION } from "../jobs/store.ts";

export const jobsPause: Command = {
  name: "jobs pause",
  summary: "Start no run of a queue until it is resumed",
  usage: "QUEUE",
  words: { min: 1, max: 1 },
  options: { ...STORE_OPTION },
  examples: [{ line: "newel jobs pause imports", does: "running jobs continue" }],
  run: (args, context) =>
    withQueue(args, context, async (jobs, queue) => {
      await jobs.pause(queue);
      const { output } = context;
      if (output.json) output.printDocument({ queue, paused: true });
      else output.print(`${queue} is paused`);
      return EXIT.done;
    }),
};
