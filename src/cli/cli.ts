import { isAbsolute } from "node:path";

import { systemCode } from "../base/errors.ts";
import { asOpenFiles } from "../base/open-files.ts";
import { leave } from "../bus/output.ts";
import { parseArguments } from "./arguments.ts";
import type { Context } from "./command.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-codes.ts";
import { foreignWord } from "./foreign-words.ts";
import { watchingKernel } from "./kernel-watch.ts";
import { printError } from "./output/errors.ts";
import { Output, type Screen } from "./output/output.ts";
import { commandNames, loadCommand, splitName } from "./table.ts";

/** The environment of a command line; the streams may be any. */
export interface Surroundings extends Omit<Context, "output"> {
  readonly stdout: Screen;
  readonly stderr: Screen;
}

/** Runs the command line of this process and ends it with the exit code. */
export async function runCli(argv: readonly string[]): Promise<void> {
  const { stdout, stderr, env: environment } = process;
  const cwd = workingDirectory(environment);
  const exitCode = await execute(argv, { stdout, stderr, cwd, environment });
  await leave(exitCode);
}

/**
 * The working directory. After it was removed (a deploy did, under an open shell), the path that the shell still
 * shows stands for it: most commands need no directory, and the others find nothing there and say so.
 */
function workingDirectory(environment: NodeJS.ProcessEnv): string {
  try {
    return process.cwd();
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    const shown = environment["PWD"];
    return shown !== undefined && isAbsolute(shown) ? shown : "/removed";
  }
}

/** Runs a command line and prints its result. */
export async function execute(
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const { environment } = surroundings;
  const json = argv.includes("--json") && !argv.slice(0, argv.indexOf("--json")).includes("--");
  const output = new Output({ ...surroundings, json });
  try {
    return await dispatch(argv, surroundings, output);
  } catch (thrown) {
    const error = asOpenFiles(thrown) ?? thrown;
    printError(output, error, environment);
    return exitCodeOf(error);
  }
}

async function dispatch(
  argv: readonly string[],
  { cwd, environment, onUp }: Surroundings,
  output: Output,
): Promise<number> {
  const words = normalize(argv);
  if (words.length === 0) return printOverview(output);
  const { name, rest } = splitName(words);
  const foreign = foreignWord(name);
  if (foreign?.isDone === true) {
    if (output.json) output.printDocument({ done: true, message: foreign.says });
    output.say(foreign.says);
    return EXIT.done;
  }
  const command = await loadCommand(name);
  const args = parseArguments(command, rest);
  if (args.has("help")) {
    const { formatCommandHelp } = await import("./help.ts");
    for (const line of formatCommandHelp(command, output)) output.print(line);
    return EXIT.done;
  }
  return watchingKernel(environment, command.run(args, { output, cwd, environment, onUp }));
}

/** `newel --help` and `newel --version` are commands too. */
function normalize(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  if (first === "--help" || first === "-h") return ["help", ...rest];
  if (first === "--version" || first === "-v" || first === "-V") return ["version", ...rest];
  if (first === "--json") return [...rest.slice(0, 1), "--json", ...rest.slice(1)];
  return argv;
}

async function printOverview(output: Output): Promise<ExitCode> {
  const { formatOverview } = await import("./help.ts");
  const everyday = await Promise.all(commandNames("everyday").map(loadCommand));
  for (const line of formatOverview(everyday, output)) output.print(line);
  return EXIT.done;
}
