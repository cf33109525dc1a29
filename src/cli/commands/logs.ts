import { counted } from "../../base/counted.ts";
import { hasCode, isNewelError, newelError } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import { formatSize } from "../../base/units.ts";
import type { StreamName } from "../../kernel/process-api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { usageError } from "../arguments.ts";
import { APP_OPTION, type Arguments, type Command, type Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { chooseOutputApp } from "../here.ts";
import { deployWord, printDeployLog } from "../logs/deploy-log.ts";
import { LINE_OPTIONS, lineFilter, previousRuns } from "../logs/select-lines.ts";
import { LinePrinter } from "../logs/printer.ts";
import { showLogs } from "../logs/show.ts";
import { findSupervisor, reachKernel } from "../reach.ts";
import { covers, noSuchName, type Source, toSource, unknownWords } from "../select.ts";

const DEFAULT_LINES = 50;

/** How long the supervisor may take to name its services, in milliseconds. */
const ANSWER_MS = 3_000;

export const logs: Command = {
  name: "logs",
  summary: "Print the output of services, also of ended processes",
  usage:
    "[SERVICE…] [-f] [-n LINES] [--since TIME] [--until TIME] [--grep REGEXP] [--previous] [--out|--err] [--time] [--raw] [--app NAME] | --prune [SERVICE…] [--app NAME | --all]",
  words: { max: Infinity },
  options: {
    follow: { short: "f", summary: "keep printing new lines, also of new processes" },
    lines: {
      short: "n",
      value: "LINES",
      summary: `the last lines, or "all" (default ${DEFAULT_LINES})`,
    },
    ...LINE_OPTIONS,
    out: { summary: "stdout alone" },
    err: { summary: "stderr alone" },
    time: { short: "t", summary: "the time before each line" },
    raw: { summary: "print the lines as they are, without the name of the process" },
    prune: { summary: "delete the stored output of these services instead of printing it" },
    all: { summary: "with --prune: delete the output of every app" },
    ...APP_OPTION,
  },
  examples: [
    { line: "newel logs web -f", does: "follow web, also across reloads" },
    { line: "newel logs web.1 -n all --raw > web.txt", does: "all stored output of one process" },
    {
      line: "newel logs web --since 1h --grep 'ERR|WARN'",
      does: "lines of the last hour with an error",
    },
    { line: "newel logs web --previous", does: "the output of the last process that ended" },
    { line: "newel logs --err --json", does: "stderr of all services, for programs" },
    { line: "newel logs deploy/12", does: "the output of deploy 12 of the app configured here" },
    { line: "newel logs --prune web", does: "delete the stored output of web" },
  ],
  notes: [
    "Lines of several processes are merged by the time the kernel saw them.",
    "--since, --until and --grep choose lines before -n counts them; with --since or --until all such lines are printed unless -n is given. Times are those at which the kernel saw a line. Gaps are always reported.",
    "Output is kept for each service, over restarts, `down` and a reboot of the machine, until `logs.bufsize` of the configuration is used up, it is older than `logs.maxAge`, or `--prune` drops it. Output that was dropped, or could not be written, is reported with its size and the reason.",
  ],
  async run(given, context) {
    const args = { ...given, words: await withoutTags(given.words, context) };
    const keeps = lineFilter(args);
    const isPrevious = args.has("previous");
    if (isPrevious && args.has("follow"))
      throw usageError("--previous is about runs that have ended: use it without --follow.");
    const isOfTime = args.text("since") !== undefined || args.text("until") !== undefined;
    const lines =
      args.text("lines") === undefined && isOfTime ? Infinity : lineCount(args.text("lines"));
    const deployed = args.words.length === 1 ? deployWord(args.words[0]) : undefined;
    if (deployed !== undefined) {
      const shown = args.text("lines") === undefined ? Infinity : lines;
      const follow = args.has("follow");
      await printDeployLog(deployed, { app: args.text("app"), lines: shown, follow }, context);
      return EXIT.done;
    }
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
        keeps,
        ...(isPrevious ? { among: previousRuns } : {}),
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
  context: Context,
  kernel: KernelClient,
): Promise<ExitCode> {
  const { output } = context;
  try {
    const app = await chooseOutputApp(args, context);
    const infos = [...(await kernel.processes.list()), ...(await kernel.processes.archived())];
    const all = infos.map(toSource);
    const [unknown] = unknownWords(args.words, all);
    if (unknown !== undefined) throw noSuchName(unknown, all);
    const wanted = all.filter((source) => coversService(args.words, source, app));
    const partly = args.words.find((word) => !all.some((source) => coversService([word], source)));
    if (partly !== undefined)
      throw usageError(
        `--prune drops the output of whole services, and ${partly} is a part of one.`,
      );
    checkPruned(args, { all, app });
    const names = [...new Set(wanted.map(({ info }) => info.group ?? info.name))];
    const { bytes } = names.length === 0 ? { bytes: 0 } : await kernel.processes.prune(...names);
    if (output.json) output.printObject({ pruned: names, bytes });
    else
      output.say(
        `${counted(bytes, "byte")} (${formatSize(bytes)}) of kept output ${bytes === 1 ? "was" : "were"} dropped.`,
      );
    return EXIT.done;
  } finally {
    await kernel.close();
  }
}

/**
 * What is dropped does not come back, so a name has to mean services of one app.
 *
 * @throws NEWEL_E_USAGE outside an app's directory without a name
 * @throws NEWEL_E_AMBIGUOUS for a name of services of several apps, NEWEL_E_NO_SERVICE for one of another app
 */
function checkPruned(
  args: Arguments,
  { all, app }: { readonly all: readonly Source[]; readonly app: string | undefined },
): void {
  if (args.has("all") || (app !== undefined && args.words.length === 0)) return;
  const list = (sources: readonly Source[]): string =>
    [...new Set(sources.map(fullName))].join(", ");
  if (args.words.length === 0 && all.length > 0)
    throw usageError(
      `No app is configured here or above: name services, or give --app NAME or --all. There is output of ${list(all)}.`,
    );
  for (const word of args.words) {
    const found = all.filter((source) => coversService([word], source, app));
    if (new Set(found.map(({ run }) => run?.app)).size > 1)
      throw newelError("NEWEL_E_AMBIGUOUS", { name: word, matches: list(found) });
    if (found.length > 0) continue;
    const others = all.filter((source) => coversService([word], source));
    const name = `${word} in the app ${app}`;
    throw newelError("NEWEL_E_NO_SERVICE", { name, hint: `; there is ${list(others)}` });
  }
}

const fullName = ({ info, run }: Source): string =>
  run === undefined ? info.name : `${run.app}/${run.service}`;

/**
 * Whether one of the words stands for the whole service or process: not `web.1`. With an app, a word without its app
 * means services of that app alone.
 */
function coversService(words: readonly string[], source: Source, app?: string): boolean {
  const { info, run } = source;
  const isOther = app !== undefined && run?.app !== app;
  if (words.length === 0) return !isOther;
  return words.some((word) => {
    if (word.includes("/")) return matches(word, fullName(source));
    return !isOther && matches(word, run?.service ?? info.name);
  });
}

/** The words with the services of each tag in its place: the kernel, which has the output, knows no tags. */
async function withoutTags(words: readonly string[], context: Context): Promise<string[]> {
  const tags = words.filter((word) => word.startsWith("@"));
  if (tags.length === 0) return [...words];
  const supervisor = await findSupervisor(context, { greetingMs: ANSWER_MS });
  if (supervisor === undefined)
    throw newelError("NEWEL_E_NO_SERVICE", { name: tags.join(", "), hint: "; no supervisor runs" });
  try {
    const services = await supervisor.remote.list({ names: tags });
    const names = services.map(({ app, name }) => `${app}/${name}`);
    return [...words.filter((word) => !word.startsWith("@")), ...names];
  } finally {
    await supervisor.close();
  }
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
