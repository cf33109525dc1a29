import { usageError } from "../arguments.ts";
import { APP_OPTION, type Command, CONFIG_OPTION } from "../command.ts";
import { findSpec } from "../exec/find-spec.ts";
import { runOneOff } from "../exec/one-off.ts";

export const exec: Command = {
  name: "exec",
  summary: "Run a command in the directory and environment of a service",
  usage: "SERVICE[.N] [--app NAME] [-c FILE] -- COMMAND…",
  words: { min: 1, max: Infinity },
  options: { ...APP_OPTION, ...CONFIG_OPTION },
  examples: [
    { line: "newel exec web -- npm run migrate", does: "a one-off with the environment of web" },
    { line: "newel exec web.2 -- node", does: "a prompt with the variables of the second replica" },
    { line: "newel exec web -- sh -c 'echo $PORT'", does: "a line of shell" },
  ],
  notes: [
    "It starts a process of its own next to those of the service, with stdin, stdout and stderr of this command. The exit code is that of COMMAND, 128 + the number of a signal that ended it, or 127 when it cannot be started.",
  ],
  async run(args, context) {
    const command = args.command.length > 0 ? args.command : args.words.slice(1);
    const words = args.words.slice(0, args.words.length - command.length);
    const [word, surplus] = words;
    if (word === undefined || surplus !== undefined || command.length === 0)
      throw usageError("newel exec needs one service and a command: newel exec web -- COMMAND.");
    return runOneOff(await findSpec(word, args, context), command, context);
  },
};
