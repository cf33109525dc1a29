import { hasCode, isNewelError } from "../../base/errors.ts";
import type { StreamName } from "../../kernel/api.ts";
import { usageError } from "../arguments.ts";
import { APP_OPTION, type Arguments, type Command, type Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { LinePrinter } from "../logs/printer.ts";
import { showLogs } from "../logs/show.ts";
import { findSupervisor, reachKernel } from "../reach.ts";
import { covers, noSuchName, type Source, unknownWords } from "../select.ts";

const DEFAULT_LINES = 50;

/** How long the supervisor may take to name its services, in milliseconds. */
const ANSWER_MS = 3_000;

export const logs: Command = {
  name: "logs",
  summary: "Print what services printed, also processes that have ended",
  usage: "[SERVICE…] [-f] [-n LINES] [--out|--err] [--time] [--raw] [--app NAME]",
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
    ...APP_OPTION,
  },
  examples: [
    { line: "newel logs web -f", does: "follow web, also across reloads" },
    { line: "newel logs web.1 -n all --raw > web.txt", does: "everything kept of one process" },
    { line: "newel logs --err --json", does: "stderr of all services, for programs" },
  ],
  notes: [
    "Lines of several processes are merged by the time the kernel saw them. What a full buffer dropped is reported with its size; `logs.bufsize` in the configuration says how much is kept.",
  ],
  async run(args, context) {
    const lines = lineCount(args.text("lines"));
    const kernel = await reachKernel(context);
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
