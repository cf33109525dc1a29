import type { ResolvedConfig } from "../../supervisor/config/resolved.ts";
import { timeoutOf } from "../arguments.ts";
import { type Command, CONFIG_OPTION, type Context, TIMEOUT_OPTION } from "../command.ts";
import { readConfig } from "../config.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatPlan } from "../output/plan.ts";
import { followProgress } from "../output/progress.ts";
import {
  endIdleDaemons,
  type Supervisor,
  type SupervisorConnection,
  withSupervisor,
} from "../reach.ts";
import { done } from "./service-verb.ts";

export const up: Command = {
  name: "up",
  summary: "Apply the configuration: start new, reload changed, stop gone",
  usage: "[-c FILE] [--plan] [--no-wait] [--timeout TIME]",
  options: {
    ...CONFIG_OPTION,
    plan: { summary: "print what would be done, and why; touch nothing" },
    "no-wait": { summary: "return at once, not when everything is ready" },
    ...TIMEOUT_OPTION,
    detach: { short: "d", summary: "understood, without effect: it always returns", hidden: true },
  },
  examples: [
    { line: "newel up", does: "start the app of the newel.config.ts here or above" },
    { line: "newel up --plan", does: "see what that would do" },
  ],
  notes: [
    "What runs with the settings it should have is left alone, so `up` twice does nothing the second time. It returns when all is ready, or with exit code 1 and the last 20 lines of what failed.",
  ],
  async run(args, context) {
    const timeoutMs = timeoutOf(args);
    const config = await readConfig(args, context);
    return withSupervisor(context, async (supervisor, connection) => {
      if (args.has("plan")) return printPlan(config, context, connection);
      const startedMs = performance.now();
      const wait = !args.has("no-wait");
      const { exitCode, changed } = await followProgress(
        supervisor.up(config, { wait }),
        context.output,
        { timeoutMs },
      );
      if (exitCode !== EXIT.done) return exitCode;
      context.output.say(changed ? done(startedMs) : "Nothing to do: all is as configured.");
      await printSummary(config.name, context, supervisor);
      return exitCode;
    });
  },
};

async function printPlan(
  config: ResolvedConfig,
  context: Context,
  connection: SupervisorConnection,
): Promise<ExitCode> {
  const { output } = context;
  const changes = await connection.remote.plan(config);
  if (output.json) output.printDocument(changes);
  else for (const line of formatPlan(changes, output)) output.print(line);
  await endIdleDaemons(context, connection);
  return EXIT.done;
}

/** One line that says what is up, and where. */
export async function printSummary(
  app: string,
  { output }: Context,
  supervisor: Supervisor,
): Promise<void> {
  const services = await supervisor.list({ app, names: [] });
  const parts = services.map(({ name, ready, replicas, listen }) => {
    const where = listen.length === 0 ? "" : ` on ${listen.join(", ")}`;
    return `${name} ${ready}/${replicas}${where}`;
  });
  output.say(`${output.styleMessage("bold", app)} is up: ${parts.join("; ")}.`);
}
