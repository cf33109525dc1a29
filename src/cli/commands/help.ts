import type { Command } from "../command.ts";
import { errorHelp, isErrorWord } from "../error-help.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCommandHelp, formatCommands, formatConfigHelp, formatErrorHelp } from "../help.ts";
import { commandNames, loadCommand } from "../table.ts";

export const help: Command = {
  name: "help",
  summary: "List all commands, or explain one command or error code",
  usage: "[COMMAND | CODE | config]",
  words: { max: 2 },
  options: {},
  examples: [
    { line: "newel help reload", does: "the help of a command, with examples first" },
    { line: "newel help config", does: "a configuration to start from" },
    { line: "newel help NEWEL_E_ADDRESS_TAKEN", does: "an error, and how to fix it" },
  ],
  async run(args, { output }) {
    const word = args.words.length === 0 ? undefined : args.words.join(" ");
    if (word !== undefined && isErrorWord(word)) {
      const help = errorHelp(word);
      if (output.json) output.printDocument(help);
      else for (const line of formatErrorHelp(help, output)) output.print(line);
      return EXIT.done;
    }
    if (output.json) {
      const names = word === undefined ? commandNames() : [word];
      const commands = await Promise.all(names.map(loadCommand));
      output.printDocument(
        commands.map(({ name, summary, usage, options, examples, notes = [] }) => {
          return { name, summary, usage, options, examples, notes };
        }),
      );
      return EXIT.done;
    }
    if (word === "config") {
      for (const line of formatConfigHelp()) output.print(line);
      return EXIT.done;
    }
    const lines =
      word === undefined
        ? formatCommands(await Promise.all(commandNames().map(loadCommand)), output)
        : formatCommandHelp(await loadCommand(word), output);
    for (const line of lines) output.print(line);
    return EXIT.done;
  },
};
