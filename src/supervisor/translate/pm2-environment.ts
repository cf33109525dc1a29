import { isRecord } from "../config/leaves.ts";
import type { Key } from "../config/problems.ts";
import { hideValues } from "../config/secrets.ts";
import { Code, Environment, type Setting, type Settings } from "./draft.ts";
import { readsEnvironment } from "./expressions.ts";
import { portNumber, type Program } from "./node-program.ts";
import { integer, scalar } from "./parsed.ts";
import type { Pm2App } from "./pm2-app.ts";

/** The variables of an app of pm2. */
export interface FoundEnvironment {
  readonly environment: Environment;
  /** Whether the file passes the whole environment of the caller. */
  readonly passAll: boolean;
}

/** The variables of `env` and of each `env_NAME`. */
export function environmentOf(each: Pm2App): FoundEnvironment {
  const { app } = each;
  const always = variablesOf(each, "env");
  const variants = new Map<string, Settings>();
  let passAll = always.passAll;
  for (const key of Object.keys(app)) {
    const name = /^env_(\w+)$/.exec(key)?.[1];
    if (name === undefined || key === "env_file" || !isRecord(app[key])) continue;
    const found = variablesOf(each, key);
    passAll ||= found.passAll;
    variants.set(name, found.variables);
  }
  return { environment: new Environment(always.variables, variants), passAll };
}

/** `increment_var` gives each process a port of its own: newel does so by portRange. */
export function numberedPort(
  { app, keys, service, parsed, notes }: Pm2App,
  env: FoundEnvironment,
): { readonly env: FoundEnvironment; readonly portRange?: string } {
  const name = scalar(app["increment_var"]);
  if (name === undefined) return { env };
  const first = portNumber(env.environment.always[name]);
  const replicas = integer(app["instances"]) ?? 1;
  const last = portNumber((first ?? 0) + replicas - 1);
  if (first === undefined || last === undefined || replicas < 1) {
    notes.dropped(
      { line: parsed.lineOf([...keys, "increment_var"]), service, key: "increment_var" },
      "portRange needs a first port in env and a number of instances",
    );
    return { env };
  }
  const always = { ...env.environment.always, [name]: "$(port)" };
  const environment = new Environment(always, env.environment.variants);
  return { env: { ...env, environment }, portRange: `${first}-${last}` };
}

/** An env with this number of variables equal to the caller's has `...process.env`. */
const SPREAD = 8;

function variablesOf(each: Pm2App, key: string): { variables: Settings; passAll: boolean } {
  const { app, keys, parsed } = each;
  const value = app[key];
  const given = isRecord(value) ? value : {};
  const caller = parsed.environment;
  const same = Object.keys(given).filter((name) => given[name] === caller[name]);
  const passAll = same.length >= Math.min(SPREAD, Object.keys(caller).length) && same.length > 2;
  const names = new Set([...Object.keys(given), ...(parsed.script?.keysOf([...keys, key]) ?? [])]);
  const entries = [...names]
    .filter((name) => !(passAll && same.includes(name)))
    .map((name) => [name, variable(each, [...keys, key, name], given[name])] as const);
  return { variables: Object.fromEntries(entries), passAll };
}

/** A value of an environment. One that the file takes from the caller's variables stays an expression: it may be a secret. */
function variable(
  { parsed, notes, service }: Pm2App,
  keys: readonly Key[],
  value: unknown,
): Setting {
  const text = scalar(value) ?? (value === undefined ? undefined : JSON.stringify(value));
  const expression = parsed.script?.at(keys);
  if (expression !== undefined && readsEnvironment(expression.node))
    return new Code(expression.text, typeof value === "number" ? value : text);
  if (text === undefined) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const name = String(keys.at(-1));
  const caller = parsed.environment;
  if (parsed.script !== undefined && hideValues(text, caller) !== text) {
    if (caller[name] === text) return new Code(`process.env.${name}`, text);
    const source = hideValues(text, caller);
    if (source.startsWith("$") && caller[source.slice(1)] === text)
      return new Code(`process.env.${source.slice(1)}`, text);
    notes.dropped(
      { line: parsed.lineOf(keys), service, key: keys.slice(-2).join(".") },
      "its value contains a variable of your shell, which may be a secret: write it as an expression",
    );
    return new Code("undefined", text);
  }
  return text;
}

/** Variables of the shell that the program names: pm2 passes all of the shell's. */
export function passedVariables(
  program: Program,
  environment: Environment,
  instanceVar: string | undefined,
): readonly string[] {
  const own = new Set([
    ...Object.keys(environment.always),
    ...[...environment.variants.values()].flatMap((each) => Object.keys(each)),
    instanceVar,
    ...BASE,
  ]);
  const isOwn = (name: string): boolean => own.has(name) || /^(?:NEWEL_|pm_|npm_)/.test(name);
  return (program.source?.variables ?? []).filter((name) => !isOwn(name)).toSorted();
}

const BASE = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "NODE_ENV",
  "NODE_APP_INSTANCE",
];
