import { hasCode, isNewelError, newelError } from "../base/errors.ts";
import type { AppView, Target } from "../supervisor/api.ts";
import { findConfig } from "../supervisor/config/find.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import type { Arguments, Context } from "./command.ts";
import type { Supervisor } from "./reach.ts";

/** The configuration of the caller's directory, compared with the apps that are up. */
type Here =
  | { readonly kind: "none" }
  /** Its file is that of a running app. */
  | { readonly kind: "running"; readonly app: AppView }
  /** Its app runs from another file. */
  | { readonly kind: "elsewhere"; readonly app: AppView; readonly config: ResolvedConfig }
  | { readonly kind: "not up"; readonly config: ResolvedConfig }
  | { readonly kind: "unreadable"; readonly error: Error };

/**
 * How much a verb has to do with the configuration: `code` starts processes of it, `count` changes how many there
 * are, `none` leaves it alone.
 */
export type Concern = "code" | "count" | "none";

/**
 * The services a verb is for: those of the app that --app names; of all apps with --all; else of the app whose
 * configuration is here or above. Outside an app's directory a service has to be named.
 *
 * @throws NEWEL_E_USAGE without any name outside an app's directory
 * @throws NEWEL_E_NO_SERVICE for an --app that is not up
 * @throws NEWEL_E_NOT_UP when the app configured here is not up
 * @throws NEWEL_E_APP_ELSEWHERE when processes would be started from another file than the one here
 */
export async function chooseTarget(
  args: Arguments,
  context: Context,
  supervisor: Supervisor,
  concern: Concern,
): Promise<Target> {
  const names = args.words;
  const apps = await supervisor.apps();
  const named = args.text("app");
  if (named !== undefined) return { app: checkApp(named, apps), names };
  if (args.has("all")) return everything(names);
  const here = await lookHere(context, apps);
  switch (here.kind) {
    case "running":
      if (concern !== "none") await notePending(here.app, context, supervisor);
      return { app: here.app.name, names };
    case "elsewhere":
      return besideRunning(here, { names, context, concern });
    case "not up":
      return besideApp(here.config, names, apps);
    case "unreadable":
      if (names.length === 0) throw here.error;
      context.output.say(`The configuration here cannot be read: ${firstLine(here.error)}`);
      return { names };
    case "none":
      if (names.length === 0) throw nameNeeded(context, apps);
      return { names };
  }
}

/**
 * The app a command is for when it takes whole apps: the one named, the one configured here, or the only one.
 *
 * @throws NEWEL_E_NO_SERVICE for a name that is no app, NEWEL_E_USAGE when several are up and none is meant
 */
export async function chooseApp(
  context: Context,
  supervisor: Supervisor,
  named: string | undefined,
): Promise<string | undefined> {
  const apps = await supervisor.apps();
  if (named !== undefined) return checkApp(named, apps);
  if (apps.length === 0) return undefined;
  const here = await lookHere(context, apps);
  if (here.kind === "running") return here.app.name;
  if (here.kind === "elsewhere") {
    context.output.say(`${here.app.name} runs from ${here.app.file}.`);
    return here.app.name;
  }
  if (here.kind === "unreadable") throw here.error;
  if (here.kind === "not up") throw notUp(here.config, apps);
  const [only, ...others] = apps;
  if (others.length === 0) return only?.name;
  throw newelError("NEWEL_E_USAGE", {
    what: `Several apps are up (${listOf(apps)}), and none of them is configured here: name one with --app NAME, or take --all.`,
  });
}

/** One line about a configuration here that is not the one of a running app; `undefined` if there is nothing to say. */
export function noteOtherConfig({ cwd }: Context, files: readonly string[]): string | undefined {
  let file: string | undefined;
  try {
    file = nearestConfig(cwd);
  } catch (error) {
    // A configuration that cannot be read is reported by the commands that would apply it.
    if (!isNewelError(error)) throw error;
  }
  if (file === undefined || files.includes(file)) return undefined;
  return `The configuration here, ${file}, is not one that runs: \`newel up\` applies it.`;
}

function everything(names: readonly string[]): Target {
  if (names.length === 0) return { names };
  throw newelError("NEWEL_E_USAGE", { what: "--all means every service: use it without names." });
}

function checkApp(named: string, apps: readonly AppView[]): string {
  if (apps.some(({ name }) => name === named)) return named;
  const hint = apps.length === 0 ? "; none is up" : `; there is ${listOf(apps)}`;
  throw newelError("NEWEL_E_NO_SERVICE", { name: `of an app ${named}`, hint });
}

async function lookHere(context: Context, apps: readonly AppView[]): Promise<Here> {
  try {
    const file = nearestConfig(context.cwd);
    if (file === undefined) return { kind: "none" };
    const [app, ...others] = apps.filter((each) => each.file === file);
    if (app !== undefined && others.length === 0) return { kind: "running", app };
    return compare(await readHere(context), apps);
  } catch (error) {
    if (!isNewelError(error)) throw error;
    return { kind: "unreadable", error };
  }
}

function compare(config: ResolvedConfig, apps: readonly AppView[]): Here {
  const app = apps.find(({ name }) => name === config.name);
  if (app?.file === config.file) return { kind: "running", app };
  // Two directories may have one name: that makes them no app.
  if (app === undefined || config.nameFrom === "directory") return { kind: "not up", config };
  return { kind: "elsewhere", app, config };
}

function nearestConfig(cwd: string): string | undefined {
  try {
    return findConfig(cwd, undefined);
  } catch (error) {
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    throw error;
  }
}

/** Evaluating a configuration takes a process: it is loaded only by commands that have to know. */
async function readHere({ cwd, environment }: Context): Promise<ResolvedConfig> {
  const { loadConfig } = await import("../supervisor/config/load.ts");
  return loadConfig({ cwd, environment });
}

function besideRunning(
  { app, config }: Extract<Here, { kind: "elsewhere" }>,
  asked: {
    readonly names: readonly string[];
    readonly context: Context;
    readonly concern: Concern;
  },
): Target {
  const { name, file } = app;
  const here = config.file;
  if (asked.concern === "code") throw newelError("NEWEL_E_APP_ELSEWHERE", { name, file, here });
  asked.context.output.say(
    `${name} runs from ${file}; the configuration here, ${here}, is applied by \`newel up\`.`,
  );
  return { app: name, names: asked.names };
}

/** In the directory of an app that is not up, only names with an app mean services of others. */
function besideApp(
  config: ResolvedConfig,
  names: readonly string[],
  apps: readonly AppView[],
): Target {
  const isOther = (name: string): boolean => apps.some((app) => name.startsWith(`${app.name}/`));
  if (names.length > 0 && names.every(isOther)) return { names };
  throw notUp(config, apps);
}

function notUp({ name, file }: ResolvedConfig, apps: readonly AppView[]): Error {
  const others = apps.length === 0 ? "" : `; up: ${listOf(apps)} (--app NAME means one of them)`;
  return newelError("NEWEL_E_NOT_UP", { what: `The app ${name} of ${file} is not up${others}` });
}

function nameNeeded({ cwd }: Context, apps: readonly AppView[]): Error {
  if (apps.length === 0) return newelError("NEWEL_E_NOT_UP", { what: "No app is up" });
  return newelError("NEWEL_E_USAGE", {
    what: `No app is configured in ${cwd} or above: name a service, an app with --app NAME, or take --all. Up: ${listOf(apps)}.`,
  });
}

/** A verb that does not apply the configuration says what of it does not run yet. */
async function notePending(app: AppView, context: Context, supervisor: Supervisor): Promise<void> {
  const { output } = context;
  try {
    const changes = await supervisor.pending(await readHere(context));
    if (changes.length === 0) return;
    output.say(
      `${app.file} has changes that do not run yet (${changes.join(", ")}): \`newel up\` applies them.`,
    );
  } catch (error) {
    if (!isNewelError(error)) throw error;
    output.say(`${app.file} cannot be read: ${firstLine(error)}`);
  }
}

const listOf = (apps: readonly AppView[]): string => apps.map(({ name }) => name).join(", ");

const firstLine = ({ message }: Error): string => message.split("\n")[0] ?? "";
