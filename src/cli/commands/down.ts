import { timeoutOf } from "../arguments.ts";
import { APP_OPTION, type Command, TIMEOUT_OPTION } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { followProgress } from "../output/progress.ts";
import { chooseApp } from "../here.ts";
import { endIdleDaemons, findApps } from "../reach.ts";
import { done } from "./service-verb.ts";

export const down: Command = {
  name: "down",
  summary: "Stop an app for good, its sockets too, then idle daemons",
  usage: "[--app NAME | --all] [--timeout TIME]",
  options: {
    all: { summary: "every app of this home" },
    ...APP_OPTION,
    ...TIMEOUT_OPTION,
  },
  examples: [
    { line: "newel down", does: "stop the app configured here" },
    { line: "newel down --all", does: "stop everything" },
  ],
  notes: ["The supervisor and the kernel end too when nothing is left for them to do."],
  async run(args, context) {
    const timeoutMs = timeoutOf(args);
    const startedMs = performance.now();
    const { output } = context;
    const connection = await findApps(context);
    if (connection === undefined) {
      output.say("Nothing to do: nothing runs.");
      return EXIT.done;
    }
    const supervisor = connection.remote;
    try {
      const app = args.has("all")
        ? undefined
        : await chooseApp(context, supervisor, args.text("app"));
      const { exitCode, changed } = await followProgress(supervisor.down(app), output, {
        timeoutMs,
      });
      if (exitCode === EXIT.done) {
        output.say(changed ? done(startedMs) : "Nothing to do: nothing runs.");
        await endIdleDaemons(context, connection);
      }
      return exitCode;
    } finally {
      await connection.close();
    }
  },
};
