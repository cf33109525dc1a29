import type { Command } from "../command.ts";
import { logs } from "./logs.ts";

export const flush: Command = {
  name: "flush",
  summary: "Delete the stored output of services",
  usage: "[SERVICE…] [--app NAME | --all]",
  words: { max: Infinity },
  options: {
    ...(logs.options["app"] === undefined ? {} : { app: logs.options["app"] }),
    all: { summary: "the output of every app" },
  },
  examples: [
    { line: "newel flush web", does: "delete the stored output of web" },
    { line: "newel flush --all", does: "the output of every app" },
  ],
  notes: ["It is `newel logs --prune`, as pm2 names it: later output is kept."],
  run: (args, context) =>
    logs.run({ ...args, has: (option) => option === "prune" || args.has(option) }, context),
};
