import { hasCode, isNewelError } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import { formatSize } from "../../base/units.ts";
import type { StreamName } from "../../kernel/api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { usageError } from "../arguments.ts";
import { APP_OPTION, type Arguments, type Command, type Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { LinePrinter } from "../logs/printer.ts";
import { showLogs } from "../logs/show.ts";
import { findSupervisor, reachKernel } from "../reach.ts";
import { covers, noSuchName, type Source, toSource, unknownWords } from "../select.ts";

const DEFAULT_LINES = 50;

/** How long the supervisor may take to name its services, in milliseconds. */
const ANSWER_MS = 3_000;

export const logs: Command = {
  name: "logs",
  summary: "Print what services printed, also processes that have ended",
  usage:
    "[SERVICE…] [-f] [-n LINES] [--out|--err] [--time] [--raw] [--app NAME] | --prune [SERVICE…] [--app NAME | --all]",
  words: { max: Infinity },
  options: {
    follow: { short: "f", summary: "go on with what comes, also from new processes" },
    lines: {
      short: "n",
      value: "LINES",
      summary: `the last lines, or "all" (default ${DEFAULT_LINES})`,
    },
    out: { summary: "stdout alone" },
    err: { summary: "stderr alone" },
    time: { short: "t", summary: "the time before each line" },
    raw: { summary: "the lines as they are, without the process's name" },
    prune: { summary: "drop the kept output of these services instead of printing it" },
    all: { summary: "with --prune: the output of every app" },
    ...APP_OPTION,
  },
  examples: [
    { line: "newel logs web -f", does: "follow web, also across reloads" },
    { line: "newel logs web.1 -n all --raw > web.txt", does: "everything kept of one process" },
    { line: "newel logs --err --json", does: "stderr of all services, for programs" },
    { line: "newel logs --prune web", does: "drop what is kept of web" },
  ],
  notes: [
    "Lines of several processes are merged by the time the kernel saw them.",
    "Output is kept for each service, over restarts, `down` and a reboot of the machine, until `logs.bufsize` of the configuration is used up, it is older than `logs.maxAge`, or `--prune` drops it. What was dropped, or could not be written, is reported with its size and the reason.",
  ],
  async run(args, context) {
    const lines = lineCount(args.text("lines"));
    const kernel = await reachKernel(context);
    if (args.has("prune")) return pruneLogs(args, context, kernel);
    const { signal } = new AbortController();
    try {
      const known = args.words.length === 0 ? [] : await serviceNames(context);
      const printer = new LinePrinter(context.output, {
        raw: args.has("raw"),
        time: args.has("time"),
      });
      await showLogs(kernel, {
        wants: (source) => isAppOf(args, source) && covers(args.words, source),
        streams: streamsOf(args),
        lines,
        follow: args.has("follow"),
        signal,
        found: (sources) => {
          printer.expect(sources);
          checkNames(args, sources, known);
        },
        print: (line) => printer.print(line),
      });
    } finally {
      await kernel.close();
    }
    return EXIT.done;
  },
};

async function pruneLogs(
  args: Arguments,
  { output }: Context,
  kernel: KernelClient,
): Promise<ExitCode> {
  try {
    const infos = [...(await kernel.processes.list()), ...(await kernel.processes.archived())];
    const all = infos.map(toSource).filter((source) => isAppOf(args, source));
    const [unknown] = unknownWords(args.words, all);
    if (unknown !== undefined) throw noSuchName(unknown, all);
    const wanted = all.filter((source) => coversService(args.words, source));
    const partly = args.words.find(
      (word) => !wanted.some((source) => coversService([word], source)),
    );
    if (partly !== undefined)
      throw usageError(
        `--prune drops the output of whole services, and ${partly} is a part of one.`,
      );
    const apps = new Set(wanted.map(({ run }) => run?.app ?? ""));
    if (apps.size > 1 && args.words.length === 0 && !args.has("all"))
      throw usageError(
        `There is output of several apps (${[...apps].filter((app) => app !== "").join(", ")}): name services, or give --app NAME or --all.`,
      );
    const names = [...new Set(wanted.map(({ info }) => info.group ?? info.name))];
    const { bytes } = names.length === 0 ? { bytes: 0 } : await kernel.processes.prune(...names);
    if (output.json) output.printObject({ pruned: names, bytes });
    else output.say(`${bytes} bytes (${formatSize(bytes)}) of kept output were dropped.`);
    return EXIT.done;
  } finally {
    await kernel.close();
  }
}

/** Whether one of the words stands for the whole service or process: not `web.1`. */
function coversService(words: readonly string[], source: Source): boolean {
  const { info, run } = source;
  if (words.length === 0) return true;
  const names = run === undefined ? [info.name] : [run.service, `${run.app}/${run.service}`];
  return words.some((word) => names.some((name) => matches(word, name)));
}

function lineCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LINES;
  if (text === "all") return Infinity;
  if (/^\d+$/.test(text)) return Number(text);
  throw usageError(`-n needs a number of lines or "all", not "${text}".`);
}

function streamsOf(args: Arguments): StreamName[] {
  const chosen = (["out", "err"] as const).filter((name) => args.has(name));
  return chosen.length === 0 ? ["out", "err"] : chosen;
}

function isAppOf(args: Arguments, { run }: Source): boolean {
  const app = args.text("app");
  return app === undefined || run?.app === app;
}

/** Services that may not have started yet, if there is a supervisor to ask that answers. */
async function serviceNames(context: Context): Promise<string[]> {
  try {
    const supervisor = await findSupervisor(context, { greetingMs: ANSWER_MS });
    const limited = supervisor?.remote.with({ timeoutMs: ANSWER_MS });
    const services = (await limited?.list({ names: [] })) ?? [];
    await supervisor?.close();
    return services.flatMap(({ app, name }) => [name, `${app}/${name}`]);
  } catch (error) {
    const hangs = hasCode(error, "NEWEL_E_SUPERVISOR_HANGS") || hasCode(error, "NEWEL_E_DEADLINE");
    if (!isNewelError(error) || !hangs) throw error;
    // The kernel has the output of everything that ever started.
    context.output.say(`${error.message} ${error.fix}`);
    return [];
  }
}

function checkNames(args: Arguments, sources: readonly Source[], known: readonly string[]): void {
  for (const word of unknownWords(args.words, sources))
    if (!known.includes(word.replace(/\.\d+$/, "")) && !known.includes(word))
      throw noSuchName(word, sources, known);
}
