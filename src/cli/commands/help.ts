import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCommandHelp, formatCommands, formatConfigHelp } from "../help.ts";
import { commandNames, loadCommand } from "../table.ts";

export const help: Command = {
  name: "help",
  summary: "Print all commands, or all about one",
  usage: "[COMMAND | config]",
  words: { max: 2 },
  options: {},
  examples: [
    { line: "newel help reload", does: "examples first" },
    { line: "newel help config", does: "a configuration to start from" },
  ],
  async run(args, { output }) {
    const word = args.words.length === 0 ? undefined : args.words.join(" ");
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
