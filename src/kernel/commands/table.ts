import { command, optionalRest, reply, title, type Command } from "./command.ts";
import { CLAIM_COMMANDS, GENERAL_COMMANDS } from "./general.ts";
import { commandHelp, overview } from "./help.ts";
import { WORDS } from "./kinds.ts";
import { PROCESS_COMMANDS } from "./processes.ts";
import { findTopic } from "./resolve.ts";
import { SOCKET_COMMANDS } from "./sockets.ts";
import { VALUE_COMMANDS } from "./values.ts";

const HELP: Command = command({
  words: ["help"],
  summary: "Show the commands, or more about one.",
  examples: ["help", "help make socket", "h l p"],
  fields: { topic: optionalRest(WORDS, "a command, or a topic") },
  run: ({ topic = [] }) => {
    const lines =
      topic.length === 0
        ? overview(COMMANDS)
        : findTopic(COMMANDS, topic).flatMap((found, index) =>
            index === 0 ? commandHelp(found) : ["", ...commandHelp(found)],
          );
    return reply({ text: lines.join("\n") }, () => lines);
  },
});

/** The single command table, in alphabetical order, for the prompt, the JSON lines and help. */
export const COMMANDS: readonly Command[] = [
  ...SOCKET_COMMANDS,
  ...VALUE_COMMANDS,
  ...PROCESS_COMMANDS,
  ...CLAIM_COMMANDS,
  ...GENERAL_COMMANDS,
  HELP,
].sort((a, b) => (title(a) < title(b) ? -1 : 1));
