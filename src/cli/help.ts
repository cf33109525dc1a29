import { type Command, COMMON_OPTIONS, type Options } from "./command.ts";
import type { ErrorHelp } from "./error-help.ts";
import { EXIT, EXIT_MEANINGS } from "./exit-codes.ts";
import type { Output } from "./output/output.ts";
import { visibleWidth } from "./output/table.ts";

const WIDTH = 80;

const FIRST_EXAMPLES = [
  ["newel up", "start what newel.config.ts says, and wait until it is ready"],
  ["newel reload web", "bring new code into service without a failed request"],
  ["newel logs web -f", "follow what it prints"],
] as const;

/** The text that `newel` alone prints. */
export function formatOverview(everyday: readonly Command[], output: Output): string[] {
  return [
    "newel keeps your services running. Restart anything. Lose nothing.",
    "",
    ...list(everyday.map(({ name, summary }) => [name, summary])),
    "",
    ...list(FIRST_EXAMPLES.map(([line, does]) => [output.style("bold", line), does])),
    "",
    "All commands: newel help. One: newel help COMMAND. An error: newel help CODE.",
  ];
}

/** The text that `newel help` prints. */
export function formatCommands(commands: readonly Command[], output: Output): string[] {
  const codes = Object.entries(EXIT).map(([name, code]): [string, string] => [
    String(code),
    EXIT_MEANINGS[name as keyof typeof EXIT],
  ]);
  return [
    "newel COMMAND [OPTIONS]",
    "",
    ...list(commands.map(({ name, summary }) => [name, summary])),
    "",
    output.style("bold", "Every command takes"),
    ...optionLines(COMMON_OPTIONS),
    "",
    output.style("bold", "Exit codes"),
    ...list(codes),
    "",
    output.style("bold", "Environment"),
    ...list([
      ["NEWEL_HOME", "the directory of kernel and supervisor (one home, one pair)"],
      ["NEWEL_DEBUG=1", "print the stack of an error"],
      ["NO_COLOR", "no colours, also on a terminal"],
    ]),
  ];
}

/** The text that `newel help CODE` prints. */
export function formatErrorHelp({ code, text, fix, page }: ErrorHelp, output: Output): string[] {
  const toDo = `${output.style("bold", "What to do:")} ${fix}`;
  return [output.style("bold", code), "", text, "", toDo, "", page];
}

/** The text that `newel help COMMAND` prints: examples first. */
export function formatCommandHelp(command: Command, output: Output): string[] {
  const { name, summary, usage, options, examples, notes = [] } = command;
  const shown = { ...options, ...COMMON_OPTIONS };
  return [
    `${summary}.`,
    "",
    ...list(examples.map(({ line, does }) => [output.style("bold", line), does])),
    "",
    `Usage: newel ${name} ${usage}`.trimEnd(),
    "",
    ...optionLines(shown),
    ...notes.flatMap((note) => ["", ...wrap(note)]),
  ];
}

/** The text that `newel help config` prints: a configuration to start from. */
export function formatConfigHelp(): string[] {
  return CONFIG_EXAMPLE.split("\n");
}

const CONFIG_EXAMPLE = `// newel.config.ts, in the directory of the app
import { defineConfig } from "newel";

export default defineConfig({
  name: "shop",
  services: {
    web: {
      node: "src/server.ts", // its listen(3000) stays as it is
      listen: 3000, // the socket that is never closed
      replicas: 2,
      ready: { http: "/healthz" }, // a reload waits for the new one
    },
    worker: { run: "python3 worker.py" }, // any other program
  },
});

Then: newel check, newel up. Every setting: docs/reference/config.md`;

function optionLines(options: Options): string[] {
  return list(
    Object.entries(options)
      .filter(([, { hidden }]) => hidden !== true)
      .map(([name, option]) => [optionForms(name, option).join(", "), option.summary]),
  );
}

/** `-c FILE`, `--config FILE`. */
export function optionForms(name: string, { short, value }: Options[string]): string[] {
  const operand = value === undefined ? "" : ` ${value}`;
  return [...(short === undefined ? [] : [`-${short}`]), `--${name}${operand}`];
}

function list(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([term]) => visibleWidth(term)));
  return rows.map(([term, text]) => {
    const space = " ".repeat(width - visibleWidth(term));
    return `  ${term}${space}  ${text}`;
  });
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
