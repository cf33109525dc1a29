import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import { type Command, CONFIG_OPTION, PROFILE_OPTION } from "../command.ts";
import { readConfig } from "../config.ts";

export const run: Command = {
  name: "run",
  summary: "Run the app in the foreground; Ctrl-C stops it",
  usage: "[-c FILE] [--profile NAMES] [--time]",
  options: {
    ...CONFIG_OPTION,
    ...PROFILE_OPTION,
    time: { short: "t", summary: "the time before each line" },
  },
  examples: [
    { line: "newel run", does: "in a terminal" },
    { line: "exec newel run -c newel.config.ts", does: "as the program of a container" },
  ],
  notes: [
    "It restarts a supervisor that dies, at once. SIGTERM and Ctrl-C stop the app; a second one prints the steps that the stop waits for, the third leaves at once. When the app is taken down from elsewhere, it ends.",
  ],
  async run(args, context) {
    const config = await readConfig(args, context);
    refuseOlderCaller(findHome(context.environment));
    const { Foreground } = await import("../foreground.ts");
    return new Foreground(config, context, { time: args.has("time") }).run();
  },
};
