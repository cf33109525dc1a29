import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import { hasCode, newelError } from "../../base/errors.ts";
import { loadConfig } from "../../supervisor/config/load.ts";
import type { ResolvedConfig } from "../../supervisor/config/resolved.ts";
import { parsePort, usageError } from "../arguments.ts";
import {
  type Arguments,
  type Command,
  CONFIG_OPTION,
  type Context,
  PROFILE_OPTION,
} from "../command.ts";
import { readConfig } from "../config.ts";
import { ownWatcher } from "../dev/own-watchers.ts";
import { commandProgram, type DevProgram, scriptProgram, serviceName } from "../dev/program.ts";
import { devConfig, onlyServices } from "../dev/settings.ts";
import { type DevSource, programSource } from "../dev/source.ts";

/** The app of the command line, and the identity by which a second `newel dev` of it is refused. */
interface Chosen {
  readonly source: DevSource;
  readonly identity: string;
  readonly watches: boolean;
}

export const dev: Command = {
  name: "dev",
  summary: "Run an app, and restart it at each edit without refused clients",
  usage:
    "[SERVICE…] [-c FILE] [--profile NAMES] [--port PORT] [--name NAME] [--time] [-- COMMAND…]",
  words: { max: Infinity },
  options: {
    ...CONFIG_OPTION,
    ...PROFILE_OPTION,
    port: {
      short: "p",
      value: "PORT",
      summary: "the port on which COMMAND or the script listens; also set as PORT",
    },
    name: { value: "NAME", summary: "the name of the service that runs COMMAND or the script" },
    time: { short: "t", summary: "the time before each line" },
  },
  examples: [
    { line: "newel dev", does: "the services of newel.config.ts, else the script dev or start" },
    { line: "newel dev web", does: "one service, and its dependencies" },
    { line: "newel dev -- node server.js", does: "a program, without any configuration" },
  ],
  notes: [
    "While a program restarts, or is broken, its clients wait. `newel dev` starts another kernel and supervisor for the app, which end with the command; `newel up` of the same app is not touched.",
  ],
  async run(args, context) {
    refuseOlderCaller(findHome(context.environment));
    const { source, identity, watches } = await choose(args, context);
    const { takeDevHome } = await import("../dev/home.ts");
    const home = await takeDevHome(identity, context);
    try {
      const environment = { ...context.environment, NEWEL_HOME: home.directory };
      const inHome = { ...context, environment };
      const { DevSession } = await import("../dev/session.ts");
      const { Foreground } = await import("../foreground.ts");
      const driver = new DevSession(source, inHome, watches);
      const options = { time: args.has("time"), name: "newel dev", driver };
      return await new Foreground(source.config, inHome, options).run();
    } finally {
      await home.release();
    }
  },
};

async function choose(args: Arguments, context: Context): Promise<Chosen> {
  const { command } = args;
  const [first, ...others] = command;
  if (first !== undefined) {
    if (args.words.length > command.length)
      throw usageError(`"${args.words[0]}" names a service, and -- a command: use one of them.`);
    return ofProgram(commandProgram([first, ...others], context.cwd), args, context);
  }
  const config = await configHere(args, context);
  if (config !== undefined) return ofConfig(config, args, context);
  const program = scriptProgram(context.cwd);
  if (program === undefined)
    throw newelError("NEWEL_E_CONFIG_MISSING", {
      looked: `no newel.config.ts and no script "dev" or "start" of a package.json in ${context.cwd} or above`,
    });
  if (args.words.length > 0)
    throw usageError(`"${args.words[0]}" is a service of a configuration, and there is none here.`);
  context.output.say(
    `Running the script "${program.script}" of package.json: ${String(program.run)}`,
  );
  return ofProgram(program, args, context);
}

/** The configuration here, or the one named; `undefined` where there is none. */
async function configHere(args: Arguments, context: Context): Promise<ResolvedConfig | undefined> {
  try {
    return await readConfig(args, context);
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_CONFIG_MISSING") || args.text("config") !== undefined) throw error;
    return undefined;
  }
}

function ofConfig(config: ResolvedConfig, args: Arguments, context: Context): Chosen {
  for (const option of ["port", "name"])
    if (args.has(option))
      throw usageError(`--${option} is for a command or a script; ${config.file} has its own.`);
  const names = args.words;
  const toDev = (given: ResolvedConfig): ResolvedConfig => {
    const unknown = names.find((name) => !given.services.some((each) => each.name === name));
    if (unknown !== undefined) throw newelError("NEWEL_E_NO_SERVICE", { name: unknown, hint: "" });
    return devConfig(names.length === 0 ? given : onlyServices(given, names));
  };
  const { cwd, environment } = context;
  const profiles = args.text("profile")?.split(",");
  const reload = async (): Promise<ResolvedConfig> =>
    toDev(await loadConfig({ cwd, environment, profiles, file: config.file }));
  return { source: { config: toDev(config), reload }, identity: config.file, watches: true };
}

function ofProgram(given: DevProgram, args: Arguments, context: Context): Chosen {
  const { environment, output } = context;
  const [named, port] = [args.text("name"), args.text("port")];
  const program = named === undefined ? given : { ...given, name: serviceName(named) };
  const { run, cwd, name } = program;
  const watcher = ownWatcher(typeof run === "string" ? run : run.join(" "));
  if (watcher?.kind === "hot")
    output.say(
      `${watcher.name} reloads code by itself: newel holds its socket and restarts nothing.`,
    );
  if (watcher?.kind === "restart")
    output.say(
      `${watcher.name} restarts the program by itself, and clients are refused in between: without it, newel dev restarts.`,
    );
  const options = { port: port === undefined ? undefined : parsePort(port, 1), environment };
  return {
    source: programSource(program, options),
    identity: `${cwd} ${name}`,
    watches: watcher === undefined,
  };
}
