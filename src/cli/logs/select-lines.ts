import { usageError } from "../arguments.ts";
import type { Arguments, Options } from "../command.ts";
import type { Source } from "../select.ts";
import { readTime } from "../time-option.ts";
import type { LogLine } from "./line.ts";

/** Chooses lines of kept output. */
export const LINE_OPTIONS: Options = {
  since: { value: "TIME", summary: "lines of the last 10m, 2h, 3d, or since a date" },
  until: { value: "TIME", summary: "lines until 10m, 2h, 3d ago, or until a date" },
  grep: { value: "REGEXP", summary: "lines that a regular expression finds" },
  previous: { summary: "the last ended run of each process instead of the present one" },
};

/** Whether a line is wanted, by `--since`, `--until` and `--grep`; `undefined` when every line is. */
export function lineFilter(args: Arguments): ((line: LogLine) => boolean) | undefined {
  const [since, until, grep] = [args.text("since"), args.text("until"), args.text("grep")];
  if (since === undefined && until === undefined && grep === undefined) return undefined;
  const fromMs = since === undefined ? -Infinity : readTime(since, "--since");
  const toMs = until === undefined ? Infinity : readTime(until, "--until");
  const pattern = grep === undefined ? undefined : readPattern(grep);
  return ({ timeMs, bytes }) =>
    timeMs >= fromMs &&
    timeMs <= toMs &&
    (pattern === undefined || pattern.test(bytes.toString("utf8")));
}

function readPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw usageError(`--grep ${text} is no regular expression: ${error.message}.`);
  }
}

/** Of each process the run before the present one; of a process that has ended, its last run. */
export function previousRuns(sources: readonly Source[]): readonly Source[] {
  const latest = new Map<string, Source>();
  for (const source of sources) {
    const { run, name, info } = source;
    if (info.running || run === undefined || run.slot === 0) continue;
    const key = `${run.app}/${name}`;
    if ((latest.get(key)?.run?.run ?? -1) < run.run) latest.set(key, source);
  }
  return [...latest.values()];
}
