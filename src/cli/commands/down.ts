import { newelError } from "../../base/errors.ts";
import { timeoutOf } from "../arguments.ts";
import { APP_OPTION, type Command, type Context, TIMEOUT_OPTION } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { followProgress } from "../output/progress.ts";
import {
  chooseApp,
  endIdleDaemons,
  findKernel,
  findSupervisor,
  reachSupervisor,
  type Supervisor,
  type SupervisorConnection,
} from "../reach.ts";
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
    const connection = await reachIfNeeded(context);
    if (connection === undefined) {
      output.say("Nothing to do: nothing runs.");
      return EXIT.done;
    }
    const supervisor = connection.remote;
    try {
      const app = args.has("all")
        ? undefined
        : await chooseOne(context, supervisor, args.text("app"));
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

/** Nothing is started just to hear that there is nothing. */
async function reachIfNeeded(context: Context): Promise<SupervisorConnection | undefined> {
  const running = await findSupervisor(context);
  if (running !== undefined) return running;
  const kernel = await findKernel(context);
  if (kernel === undefined) return undefined;
  await kernel.close();
  return reachSupervisor(context);
}

/** With several apps it must be clear which one goes down. */
async function chooseOne(
  context: Context,
  supervisor: Supervisor,
  named: string | undefined,
): Promise<string | undefined> {
  const chosen = await chooseApp(context, supervisor, named);
  const { apps } = await supervisor.hello();
  if (chosen !== undefined || apps.length < 2) return chosen;
  throw newelError("NEWEL_E_USAGE", {
    what: `Several apps are up (${apps.join(", ")}), and none of them is configured here: name one with --app NAME, or take --all.`,
  });
}
