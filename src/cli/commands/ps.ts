import { findHome } from "../../base/home.ts";
import { sleep } from "../../base/timers.ts";
import type { ServiceView } from "../../supervisor/api.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { formatProcesses, formatServices } from "../output/services.ts";
import { formatSources, unsupervisedServices } from "../output/unsupervised.ts";
import { findKernel, findSupervisor, type Supervisor } from "../reach.ts";
import { covers, noSuchName, type Source, toSource, unknownWords } from "../select.ts";

const WATCH_MS = 1_000;
/** A supervisor that takes longer to list its services is as good as none. */
const ANSWER_MS = 10_000;
const CLEAR = "\u001B[H\u001B[2J";

export const ps: Command = {
  name: "ps",
  summary: "List services and how they are",
  usage: "[SERVICE…] [-a] [--watch]",
  words: { max: Infinity },
  options: {
    all: { short: "a", summary: "one line a process" },
    watch: { short: "w", summary: "again every second" },
  },
  examples: [
    { line: "newel ps", does: "every service" },
    { line: "newel ps web && echo fine", does: "exit code 3 unless web is up and ready" },
    { line: "newel ps -a --json", does: "for programs" },
  ],
  notes: [
    "It starts nothing. While no supervisor runs it shows what the kernel has, says that nobody supervises, and ends with 3 when services were named.",
  ],
  async run(args, context) {
    if (args.has("watch")) return watchServices(args, context);
    const supervisor = await findSupervisor(context);
    if (supervisor === undefined) return listUnsupervised(args, context);
    try {
      return await listServices(args, context, supervisor.remote);
    } finally {
      await supervisor.close();
    }
  },
};

async function listServices(
  args: Arguments,
  { output }: Context,
  supervisor: Supervisor,
): Promise<ExitCode> {
  const limited = supervisor.with({ timeoutMs: ANSWER_MS });
  const services = narrow(await limited.list({ names: args.words }), args.words);
  if (output.json)
    output.printDocument(services.map((service) => ({ supervised: true, ...service })));
  else if (services.length === 0)
    output.say("Nothing is up. `newel up` starts what newel.config.ts says.");
  else for (const line of format(args, services, output)) output.print(line);
  for (const { name, why } of services) if (why !== undefined) output.say(`${name}: ${plain(why)}`);
  return args.words.length > 0 && !services.every(isWell) ? EXIT.notRunning : EXIT.done;
}

function format(
  args: Arguments,
  services: readonly ServiceView[],
  output: Context["output"],
): string[] {
  const formatted = args.has("all") ? formatProcesses : formatServices;
  return formatted(services, output, Date.now());
}

/** `web.1` is one process of `web`: the others are not asked for. */
function narrow(services: readonly ServiceView[], words: readonly string[]): ServiceView[] {
  return services.map((service) => {
    const { name, app, processes } = service;
    const named = processes.filter(
      (process) => words.includes(process.name) || words.includes(`${app}/${process.name}`),
    );
    const whole = words.some(
      (word) => word === name || word === `${app}/${name}` || word.endsWith("*"),
    );
    if (whole || named.length === 0) return service;
    const ready = named.filter((process) => process.ready).length;
    return { ...service, processes: named, ready, replicas: named.length };
  });
}

function isWell({ state, ready, replicas }: ServiceView): boolean {
  return state === "running" && ready >= replicas && replicas > 0;
}

/** Nobody supervises: the kernel, if there is one, knows at least what runs. */
async function listUnsupervised(args: Arguments, context: Context): Promise<ExitCode> {
  const { output } = context;
  const kernel = await findKernel(context);
  const all = kernel === undefined ? [] : (await kernel.processes.list()).map(toSource);
  await kernel?.close();
  const living = all.filter(({ info }) => info.running);
  const [unknown] = unknownWords(args.words, all);
  if (living.length > 0 && unknown !== undefined) throw noSuchName(unknown, all);
  const shown = living.filter((source) => covers(args.words, source));
  if (output.json) output.printDocument(unsupervisedServices(shown));
  else if (shown.length > 0)
    for (const line of formatSources(shown, output, Date.now())) output.print(line);
  tellUnsupervised(context, living);
  return args.words.length > 0 ? EXIT.notRunning : EXIT.done;
}

function tellUnsupervised({ output, environment }: Context, living: readonly Source[]): void {
  if (living.length === 0) {
    output.say(
      `Nothing runs in ${findHome(environment).directory}. \`newel up\` starts the app of newel.config.ts.`,
    );
    return;
  }
  const warning = output.styleMessage("yellow", "Nobody supervises these processes:");
  output.say(
    `${warning} they run on, but none is brought back if it ends. \`newel up\` (or start, reload, …) brings the supervisor back and leaves them as they are.`,
  );
}

async function watchServices(args: Arguments, context: Context): Promise<ExitCode> {
  const { output } = context;
  for (;;) {
    const supervisor = await findSupervisor(context);
    const services = (await supervisor?.remote.list({ names: args.words })) ?? [];
    await supervisor?.close();
    if (output.json) output.printObject({ timeMs: Date.now(), services });
    else if (supervisor === undefined) await listUnsupervised(args, context);
    else {
      const lines = format(args, services, output);
      output.print((output.stdout.isTTY === true ? CLEAR : "") + lines.join("\n"));
    }
    await sleep(WATCH_MS);
  }
}
