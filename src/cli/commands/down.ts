import type { Progress } from "../../supervisor/api.ts";
import { timeoutOf } from "../arguments.ts";
import { APP_OPTION, type Command, TIMEOUT_OPTION } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { followProgress } from "../output/progress.ts";
import { chooseApp } from "../here.ts";
import { endIdleDaemons, findApps } from "../reach.ts";
import { done } from "./service-verb.ts";

export const down: Command = {
  name: "down",
  summary: "Stop an app and close its sockets, then end idle daemons",
  usage: "[--now] [--app NAME | --all] [--timeout TIME]",
  options: {
    now: { summary: "kill the processes at once" },
    all: { summary: "every app of this home" },
    ...APP_OPTION,
    ...TIMEOUT_OPTION,
  },
  examples: [
    { line: "newel down", does: "stop the app configured here" },
    { line: "newel down --all", does: "stop everything" },
  ],
  notes: [
    "Outside an app's directory it needs --app or --all. The supervisor and the kernel end too when nothing is left for them to do.",
  ],
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
      const app = await chooseApp(args, context, supervisor);
      // Without --all, an app that comes up at this moment is not meant.
      const down =
        app === undefined && !args.has("all")
          ? noProgress()
          : supervisor.down(app, { now: args.has("now") });
      const { exitCode, changed } = await followProgress(down, output, { timeoutMs });
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

/** The progress of a `down` that has no app to take down. */
async function* noProgress(): AsyncGenerator<Progress> {
  yield { type: "end", ok: true, changed: false };
}
