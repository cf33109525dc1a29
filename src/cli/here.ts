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
  const named = namedApp(args);
  if (named !== undefined) return { app: checkApp(named, apps), names: namesIn(named, names) };
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
      if (names.length === 0)
        throw nameNeeded(context, apps, "name a service, an app with --app NAME, or take --all");
      return { names };
  }
}

/**
 * The app a command is for when it takes a whole app: the one that --app names, or the one configured here. Outside
 * an app's directory an app has to be named, also when one alone is up.
 *
 * @returns `undefined` for --all, and when no app is up
 * @throws NEWEL_E_NO_SERVICE for an --app that is not up, NEWEL_E_USAGE without a name outside an app's directory
 * @throws NEWEL_E_NOT_UP when the app configured here is not up
 */
export async function chooseApp(
  args: Arguments,
  context: Context,
  supervisor: Supervisor,
): Promise<string | undefined> {
  const apps = await supervisor.apps();
  const named = namedApp(args);
  if (named !== undefined) return checkApp(named, apps);
  if (args.has("all") || apps.length === 0) return undefined;
  const here = await lookHere(context, apps);
  switch (here.kind) {
    case "running":
      return here.app.name;
    case "elsewhere":
      context.output.say(`${here.app.name} runs from ${here.app.file}.`);
      return here.app.name;
    case "unreadable":
      throw here.error;
    case "not up":
      throw notUp(here.config, apps);
    case "none":
      throw nameNeeded(context, apps, "name an app with --app NAME, or take --all");
  }
}

/**
 * The app whose kept output a command is for: the one that --app names, or the one configured here, whether it is up or
 * not.
 *
 * @throws NEWEL_E_USAGE when --app and --all are given
 */
export async function chooseOutputApp(
  args: Arguments,
  context: Context,
): Promise<string | undefined> {
  const named = namedApp(args);
  if (named !== undefined || args.has("all")) return named;
  if (nearestConfig(context.cwd) === undefined) return undefined;
  return (await readHere(context)).name;
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

/** What `newel up` would start here, in words: the file may have any of the names that newel reads. */
export function whatUpStarts({ cwd }: Context): string {
  try {
    const file = nearestConfig(cwd);
    if (file !== undefined) return `\`newel up\` starts the app of ${file}.`;
  } catch (error) {
    // `up` reports a configuration that cannot be read.
    if (!isNewelError(error)) throw error;
  }
  return "`newel up` starts the app of the configuration in its directory or above.";
}

/** @throws NEWEL_E_USAGE when --app and --all are given */
function namedApp(args: Arguments): string | undefined {
  const named = args.text("app");
  if (named !== undefined && args.has("all"))
    throw newelError("NEWEL_E_USAGE", {
      what: "--app means one app, and --all every app: give one of them.",
    });
  return named;
}

/** @throws NEWEL_E_USAGE for the service of another app */
function namesIn(app: string, names: readonly string[]): readonly string[] {
  const other = names.find((name) => name.includes("/") && !name.startsWith(`${app}/`));
  if (other === undefined) return names;
  throw newelError("NEWEL_E_USAGE", { what: `--app ${app} and ${other} mean different apps.` });
}

function everything(names: readonly string[]): Target {
  if (names.length === 0) return { names };
  throw newelError("NEWEL_E_USAGE", { what: "--all means every service: use it without names." });
}

/** @throws NEWEL_E_NO_SERVICE for an app that is not up */
export function checkApp(named: string, apps: readonly AppView[]): string {
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
  // A name that comes from the directory identifies no app, because two directories may have the same name.
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
async function readHere({ cwd, environment }: Context, app?: AppView): Promise<ResolvedConfig> {
  const { loadConfig } = await import("../supervisor/config/load.ts");
  // The configuration is compared as it was applied.
  return loadConfig({
    cwd,
    environment,
    profiles: app === undefined ? undefined : (app.profiles ?? []),
  });
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

function nameNeeded({ cwd }: Context, apps: readonly AppView[], advice: string): Error {
  if (apps.length === 0) return newelError("NEWEL_E_NOT_UP", { what: "No app is up" });
  return newelError("NEWEL_E_USAGE", {
    what: `No app is configured in ${cwd} or above: ${advice}. Up: ${listOf(apps)}.`,
  });
}

/** Names the changes of the configuration that do not run yet, for a verb that does not apply them. */
async function notePending(app: AppView, context: Context, supervisor: Supervisor): Promise<void> {
  const { output } = context;
  try {
    const changes = await supervisor.pending(await readHere(context, app));
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
