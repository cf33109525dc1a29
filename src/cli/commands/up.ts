import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import type { ResolvedConfig } from "../../supervisor/config/resolved.ts";
import { timeoutOf } from "../arguments.ts";
import {
  type Command,
  CONFIG_OPTION,
  type Context,
  PROFILE_OPTION,
  TIMEOUT_OPTION,
} from "../command.ts";
import { readConfig } from "../config.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatPlan } from "../output/plan.ts";
import { untilText } from "../output/services.ts";
import { planOf } from "../plan-of.ts";
import { followProgress } from "../output/progress.ts";
import { reachSupervisor, type Supervisor } from "../reach.ts";
import { done } from "./service-verb.ts";

export const up: Command = {
  name: "up",
  summary: "Apply the configuration: start, reload and stop services",
  usage: "[-c FILE] [--profile NAMES] [--plan] [--no-wait] [--move] [--timeout TIME]",
  options: {
    ...CONFIG_OPTION,
    ...PROFILE_OPTION,
    plan: { summary: "print the steps and their reasons; change nothing" },
    "no-wait": { summary: "return at once, not when everything is ready" },
    move: { summary: "replace a running app of the same name that has other services" },
    ...TIMEOUT_OPTION,
    detach: { short: "d", summary: "understood, without effect: it always returns", hidden: true },
  },
  examples: [
    { line: "newel up", does: "start the app of the configuration here or above" },
    { line: "newel up --profile development", does: "also start the services of a profile" },
    { line: "newel up --plan", does: "print the plan, change nothing" },
  ],
  notes: [
    "A service that already runs with its configured settings is left alone, so a second `up` does nothing. It returns when all is ready, or with exit code 1 and the last 20 lines of what failed.",
  ],
  async run(args, context) {
    const timeoutMs = timeoutOf(args);
    const config = await readConfig(args, context);
    const move = args.has("move");
    if (args.has("plan")) return printPlan(config, move, context);
    refuseOlderCaller(findHome(context.environment));
    const connection = await reachSupervisor(context);
    try {
      const { remote } = connection;
      const startedMs = performance.now();
      const wait = !args.has("no-wait");
      const progress = remote.up(config, { wait, move });
      const { exitCode, changed } = await followProgress(progress, context.output, { timeoutMs });
      if (exitCode !== EXIT.done) return exitCode;
      if (changed && !wait) {
        context.output.say("Begun: `newel ps` shows how far it is, and why if it fails.");
        return exitCode;
      }
      context.output.say(changed ? done(startedMs) : "Nothing to do: all is as configured.");
      await printSummary(config.name, context, remote);
      return exitCode;
    } finally {
      await connection.close();
    }
  },
};

async function printPlan(
  config: ResolvedConfig,
  move: boolean,
  context: Context,
): Promise<ExitCode> {
  const { output } = context;
  const plan = await planOf(config, move, context);
  if (output.json) {
    const { move: moved } = plan;
    const more = moved === undefined ? {} : { move: moved };
    output.printDocument(plan.changes.map((change) => ({ ...change, ...more })));
  } else for (const line of formatPlan(config.name, plan, output)) output.print(line);
  return EXIT.done;
}

/** One line with the services that are up and their addresses. */
export async function printSummary(
  app: string,
  { output }: Context,
  supervisor: Supervisor,
): Promise<void> {
  const services = await supervisor.list({ app, names: [] });
  const parts = services.map(({ name, state, ready, replicas, listen, scheduled }) => {
    if (scheduled?.does === "run" && ready === 0)
      return `${name} runs in ${untilText(scheduled.nextMs, Date.now())}`;
    if (state === "completed") return `${name} completed`;
    const where = listen.length === 0 ? "" : ` on ${listen.join(", ")}`;
    return `${name} ${ready}/${replicas}${where}`;
  });
  output.say(`${output.styleMessage("bold", app)} is up: ${parts.join("; ")}.`);
}
