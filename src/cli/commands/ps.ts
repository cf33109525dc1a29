import { counted } from "../../base/counted.ts";
import { isNewelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { sleep } from "../../base/timers.ts";
import type { ProcessView, ServiceView } from "../../supervisor/api.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { formatProcesses, formatServices } from "../output/services.ts";
import { formatSources, unsupervisedServices } from "../output/unsupervised.ts";
import { noteOtherConfig, whatUpStarts } from "../here.ts";
import { findKernel, findSupervisor, type Supervisor } from "../reach.ts";
import { covers, noSuchName, toSource, unknownWords } from "../select.ts";

const WATCH_MS = 1_000;
/** If the supervisor takes longer to list its services, the processes of the kernel are shown instead. */
const ANSWER_MS = 3_000;
const HANGS: ReadonlySet<string> = new Set(["NEWEL_E_SUPERVISOR_HANGS", "NEWEL_E_DEADLINE"]);
const CLEAR = "\u001B[H\u001B[2J";

export const ps: Command = {
  name: "ps",
  summary: "List services and their status",
  usage: "[SERVICE…] [-a] [--watch]",
  words: { max: Infinity },
  options: {
    all: { short: "a", summary: "one line for each process" },
    watch: { short: "w", summary: "refresh every second" },
  },
  examples: [
    { line: "newel ps", does: "every service" },
    { line: "newel ps web && echo fine", does: "exit code 3 unless web is up and ready" },
    { line: "newel ps -a --json", does: "for programs" },
  ],
  notes: [
    "It starts nothing. While no supervisor runs it shows the processes of the kernel, reports the missing supervisor, and ends with 3 when services were named.",
  ],
  async run(args, context) {
    if (args.has("watch")) return watchServices(args, context);
    const { output } = context;
    const { lines, objects, messages, exitCode } = await look(args, context);
    if (output.json) output.printDocument(objects);
    else for (const line of lines) output.print(line);
    for (const message of messages) output.say(message);
    return exitCode;
  },
};

/** The output of one moment. */
interface Look {
  readonly lines: readonly string[];
  readonly objects: readonly object[];
  readonly messages: readonly string[];
  readonly exitCode: ExitCode;
}

async function look(args: Arguments, context: Context): Promise<Look> {
  try {
    const connection = await findSupervisor(context, { greetingMs: ANSWER_MS });
    if (connection === undefined) return await lookUnsupervised(args, context);
    try {
      return await lookSupervised(args, context, connection.remote);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (!isNewelError(error) || !HANGS.has(error.code)) throw error;
    const left = await lookUnsupervised(args, context);
    return { ...left, messages: [error.message, error.fix] };
  }
}

async function lookSupervised(
  args: Arguments,
  context: Context,
  supervisor: Supervisor,
): Promise<Look> {
  const { output } = context;
  const { words } = args;
  const limited = supervisor.with({ timeoutMs: ANSWER_MS });
  const services = narrow(await limited.list({ names: words }), words);
  const format = args.has("all") ? formatProcesses : formatServices;
  const whys = services.flatMap(({ name, why }) =>
    why === undefined ? [] : `${name}: ${plain(why)}`,
  );
  const files = (await limited.apps()).map(({ file }) => file);
  const other = noteOtherConfig(context, files);
  const { failedUps = [] } = await limited.hello();
  const unreported = failedUps.filter(({ waited }) => waited !== true);
  const failed = unreported.map(
    ({ app, timeMs, why }) =>
      `The last \`newel up --no-wait\` of ${app} failed at ${new Date(timeMs).toISOString()}: ${plain(why)}`,
  );
  const left = services.flatMap(({ name, processes }) =>
    processes.flatMap((process) => (process.state === "left" ? [leftBy(name, process)] : [])),
  );
  return {
    lines: services.length === 0 ? [] : format(services, output, Date.now()),
    objects: services.map((service) => ({ supervised: true, ...service })),
    messages:
      services.length === 0
        ? [...failed, `Nothing is up. ${whatUpStarts(context)}`]
        : [...failed, ...whys, ...left, ...(other === undefined ? [] : [other])],
    exitCode: words.length > 0 && !services.every(isWell) ? EXIT.notRunning : EXIT.done,
  };
}

/** `web.1` is one process of `web`; the other processes are left out. */
function narrow(services: readonly ServiceView[], words: readonly string[]): ServiceView[] {
  return services.map((service) => {
    const { name, app, processes } = service;
    const named = processes.filter(
      (process) => words.includes(process.name) || words.includes(`${app}/${process.name}`),
    );
    const whole = words.some(
      (word) =>
        word === name || word === `${app}/${name}` || word.endsWith("*") || word.startsWith("@"),
    );
    if (whole || named.length === 0) return service;
    const ready = named.filter((process) => process.ready).length;
    const replicas = named.filter(({ state }) => state !== "left").length;
    return { ...service, processes: named, ready, replicas };
  });
}

function leftBy(service: string, { name, pids = [] }: ProcessView): string {
  const one = pids.length === 1;
  const which = `${one ? "a process" : counted(pids.length, "process", "processes")} of ${name}, which has ended,`;
  const end = `\`newel stop ${service}\` ends ${one ? "it" : "them"}.`;
  return `${service}: ${which} ${one ? "lives" : "live"} (pid ${pids.join(", ")}); ${end}`;
}

function isWell({ state, ready, replicas, scheduled }: ServiceView): boolean {
  if (scheduled?.does === "run" && state !== "failed") return true;
  return state === "completed" || (state === "running" && ready >= replicas && replicas > 0);
}

/** Without a supervisor: lists the processes of the kernel, if one runs. */
async function lookUnsupervised({ words }: Arguments, context: Context): Promise<Look> {
  const { output } = context;
  const kernel = await findKernel(context);
  const all = kernel === undefined ? [] : (await kernel.processes.list()).map(toSource);
  await kernel?.close();
  const living = all.filter(({ info }) => info.running);
  const [unknown] = unknownWords(words, all);
  if (living.length > 0 && unknown !== undefined) throw noSuchName(unknown, all);
  const shown = living.filter((source) => covers(words, source));
  return {
    lines: shown.length === 0 ? [] : formatSources(shown, output, Date.now()),
    objects: unsupervisedServices(shown),
    messages: [living.length === 0 ? nothingRuns(context) : nobodySupervises(context)],
    exitCode: words.length > 0 ? EXIT.notRunning : EXIT.done,
  };
}

function nothingRuns(context: Context): string {
  return `Nothing runs in ${findHome(context.environment).directory}. ${whatUpStarts(context)}`;
}

function nobodySupervises({ output }: Context): string {
  const warning = output.styleMessage("yellow", "No supervisor runs for these processes:");
  return `${warning} they run on, but none is brought back if it ends. \`newel up\` (or start, reload, …) brings the supervisor back and leaves them as they are.`;
}

async function watchServices(args: Arguments, context: Context): Promise<ExitCode> {
  const { output } = context;
  for (;;) {
    const { lines, objects, messages } = await look(args, context);
    if (output.json) output.printObject({ timeMs: Date.now(), services: objects });
    else {
      const clear = output.stdout.isTTY === true ? CLEAR : "";
      output.print(clear + [...lines, ...messages].join("\n"));
    }
    await sleep(WATCH_MS);
  }
}
