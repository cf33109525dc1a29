import { availableParallelism } from "node:os";
import { basename, resolve } from "node:path";

import { isRecord } from "../config/leaves.ts";
import { type Key, quoted } from "../config/problems.ts";
import {
  Code,
  type Draft,
  duration,
  type Environment,
  Notes,
  serviceName,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";
import { account, type Granted, grantedSettings } from "./identity.ts";
import { listenPort, portNumber, type Program, readProgram } from "./node-program.ts";
import { boolean, integer, list, nearPath, type Parsed, scalar } from "./parsed.ts";
import type { Pm2App } from "./pm2-app.ts";
import { pm2Command } from "./pm2-command.ts";
import { environmentOf, numberedPort, passedVariables } from "./pm2-environment.ts";
import { PM2_CARRIED, PM2_DROPPED, PM2_NEEDLESS } from "./pm2-keys.ts";
import { maxMemoryOf, restartOf, cronRestartOf } from "./pm2-restart.ts";

/** Reads a pm2 ecosystem file: `{ apps: […] }`, a list of apps, or one app. */
export function translatePm2(parsed: Parsed): Translation {
  const notes = new Notes();
  const { value } = parsed;
  const top = isRecord(value) ? value : {};
  const [root, given]: readonly [readonly Key[], unknown] =
    "apps" in top ? [["apps"], top["apps"]] : "pm2" in top ? [["pm2"], top["pm2"]] : [[], value];
  const listed = Array.isArray(given);
  const apps: readonly unknown[] = listed ? given : [given];
  for (const key of Object.keys(top))
    if (root.length > 0 && key !== root[0])
      notes.dropped(
        { line: parsed.lineOf([key]), key },
        PM2_DROPPED[key] ?? "newel has nothing like it",
      );
  const names = new Set<string>();
  const profile = usualProfile(apps);
  const services = apps.flatMap((app, index) => {
    if (!isRecord(app)) return [];
    const keys = listed ? [...root, index] : root;
    const wanted = scalar(app["name"]) ?? nameOf(scalar(app["script"]) ?? "app");
    const service = serviceName(wanted, names);
    names.add(service);
    if (service !== wanted)
      notes.remark(
        { line: parsed.lineOf([...keys, "name"]), service, key: "name" },
        `The app ${quoted(wanted)} is the service ${quoted(service)}: names are letters, digits, "-" and "_".`,
      );
    return [translateApp({ app, keys, service, parsed, notes }, profile)];
  });
  if (profile !== undefined)
    notes.remark(
      { key: "" },
      `env_${profile} applies where NODE_ENV is not set, because apps have variables or a port for it alone; NODE_ENV chooses another one.`,
    );
  const before = /\bdotenv\b/.test(parsed.text) ? { before: ["process.loadEnvFile();"] } : {};
  return {
    tool: "pm2",
    file: parsed.file,
    app: {},
    services: sharedPorts(services, notes),
    notes: notes.list,
    profile,
    ...before,
  };
}

const nameOf = (script: string): string =>
  basename(script.split(" ")[0] ?? "").replace(/\.\w+$/, "");

/**
 * `production` where an app has variables, or its port, for that alone: such a file is always started with
 * `--env production`.
 */
function usualProfile(apps: readonly unknown[]): string | undefined {
  const isSole = (app: unknown): boolean => {
    if (!isRecord(app)) return false;
    const { env, env_production: production } = app;
    if (!isRecord(production)) return false;
    return !isRecord(env) || (env["PORT"] === undefined && production["PORT"] !== undefined);
  };
  return apps.some(isSole) ? "production" : undefined;
}

function translateApp(each: Pm2App, profile: string | undefined): Draft {
  const { app, keys, service, parsed, notes } = each;
  const cwd = resolve(parsed.base, scalar(app["cwd"]) ?? ".");
  const command = pm2Command(each, cwd);
  const numbered = numberedPort(each, environmentOf(each));
  const env = numbered.env;
  const run = command["run"] ?? runOf(command);
  const words = typeof run === "string" ? run : Array.isArray(run) ? list(run) : [];
  const program = readProgram(words, cwd, parsed.environment["PATH"]);
  const active = parsed.environment["NODE_ENV"] ?? profile;
  const listen = listenOf(program, env.environment, active);
  const replicas = replicasOf(each);
  const many = replicas !== undefined && replicas !== 1;
  reportOthers(each);
  if (
    many &&
    listen === undefined &&
    numbered.portRange === undefined &&
    program.source?.mayListen !== false
  )
    notes.remark(
      { line: parsed.lineOf([...keys, "instances"]), service, key: "instances" },
      "has more than one process and no listen: if it serves, write its port as listen, so that the replicas share it.",
    );
  const isCluster = many || String(app["exec_mode"]).startsWith("cluster");
  const instanceVar = scalar(app["instance_var"]) ?? (isCluster ? "NODE_APP_INSTANCE" : undefined);
  const passEnv = env.passAll ? ["*"] : passedVariables(program, env.environment, instanceVar);
  return {
    name: service,
    line: parsed.lineOf(keys),
    settings: {
      ...command,
      cwd: nearPath(parsed.directory, cwd),
      listen: numbered.portRange === undefined ? listen : undefined,
      portRange: numbered.portRange,
      replicas,
      envFile: app["env_file"] === undefined ? undefined : scalar(app["env_file"]),
      env: env.environment.isEmpty ? undefined : env.environment,
      passEnv: passEnv.length === 0 ? undefined : passEnv,
      instanceVar,
      watch: watchOf(app),
      ...identityOf(each),
      ready: readyOf(app, listen !== undefined),
      stop: stopOf(app, program),
      maxMemory: maxMemoryOf(each),
      schedule: cronRestartOf(each),
      restart: restartOf(each),
    },
  };
}

function runOf({ node, nodeArgs, args }: Settings): readonly string[] {
  return ["node", ...list(nodeArgs), ...list(node), ...list(args)];
}

function replicasOf({ app, keys, service, parsed, notes }: Pm2App): Setting {
  const { instances } = app;
  if (instances === undefined) return undefined;
  const number = integer(instances);
  if (instances === "max" || number === 0) return "cpus";
  if (number === undefined || number > 1000) {
    notes.dropped(
      { line: parsed.lineOf([...keys, "instances"]), service, key: "instances" },
      'replicas is a number up to 1000, or "cpus"',
    );
    return undefined;
  }
  if (number === 1) return undefined;
  return number > 0
    ? number
    : new Code(
        `Math.max(1, availableParallelism() - ${-number})`,
        Math.max(1, availableParallelism() + number),
      );
}

/** The port, by NODE_ENV where variants of the environment have another one; none is an empty list. */
function listenOf(program: Program, environment: Environment, active: string | undefined): Setting {
  const portOf = (settings: Settings): number | undefined => {
    const given = settings["PORT"];
    return listenPort(program, portNumber(given instanceof Code ? given.value : given));
  };
  const usual = portOf(environment.always);
  const code = environment.always["PORT"];
  if (code instanceof Code && usual !== undefined) return new Code(`Number(${code.text})`, usual);
  const cases = [...environment.variants.keys()]
    .map((name) => [name, portOf(environment.of(name))] as const)
    .filter(([, port]) => port !== undefined && port !== usual);
  if (cases.length === 0) return usual;
  const text = cases.map(([name, port]) => `profile === ${quoted(name)} ? ${port} : `).join("");
  return new Code(`${text}${usual ?? "[]"}`, portOf(environment.of(active)));
}

function readyOf(app: Pm2App["app"], listens: boolean): Setting {
  const waits = boolean(app["wait_ready"]) === true;
  const timeout = integer(app["listen_timeout"]);
  if (!waits && (timeout === undefined || !listens)) return undefined;
  return {
    ...(waits ? { notify: true } : {}),
    ...(timeout === undefined ? {} : { timeout: duration(Math.max(1, timeout)) }),
  };
}

function watchOf(app: Pm2App["app"]): Setting {
  const { watch, ignore_watch: ignored, watch_delay: delay } = app;
  const paths = watch === true ? [] : list(watch).filter((each) => each !== "false");
  if (watch !== true && paths.length === 0) return undefined;
  // Dependencies are never watched.
  const ignore = list(ignored).filter((each) => !/^(?:\.\/)?node_modules\/?$/.test(each));
  const wait = integer(delay);
  const settings = {
    ...(paths.length === 0 ? {} : { paths }),
    ...(ignore.length === 0 ? {} : { ignore }),
    ...(wait === undefined || wait < 10 ? {} : { debounce: duration(wait) }),
  };
  return Object.keys(settings).length === 0 ? true : settings;
}

function identityOf({ app, keys, service, parsed, notes }: Pm2App): Settings {
  const granted = (key: string, setting: "user" | "group"): Granted | undefined => {
    const value = account(scalar(app[key]));
    if (value === undefined) return undefined;
    const at = { line: parsed.lineOf([...keys, key]), service, key };
    return { settings: { [setting]: value }, at };
  };
  return grantedSettings(
    [granted("user", "user"), granted("uid", "user"), granted("gid", "group")],
    notes,
  );
}

function stopOf(app: Pm2App["app"], { source }: Program): Setting {
  const grace = integer(app["kill_timeout"]);
  const text = source?.text ?? "";
  // pm2 sends SIGINT.
  const isInterrupted = /\bSIGINT\b/.test(text) && !/\bSIGTERM\b/.test(text);
  if (grace === undefined && !isInterrupted) return undefined;
  return {
    ...(isInterrupted ? { signal: "SIGINT" } : {}),
    ...(grace === undefined ? {} : { grace: duration(grace) }),
  };
}

function reportOthers({ app, keys, service, parsed, notes }: Pm2App): void {
  for (const [key, value] of Object.entries(app)) {
    if (PM2_CARRIED.has(key) || /^env_\w+$/.test(key)) continue;
    const off = value === false || value === null || (Array.isArray(value) && value.length === 0);
    const at = { line: parsed.lineOf([...keys, key]), service, key };
    if (key === "min_uptime" && app["max_restarts"] !== undefined) continue;
    if (Object.hasOwn(PM2_NEEDLESS, key)) notes.needless(at, PM2_NEEDLESS[key] ?? "");
    else if (!off) notes.dropped(at, reasonOf(key, value));
  }
}

function reasonOf(key: string, value: unknown): string {
  const known = Object.hasOwn(PM2_DROPPED, key) ? PM2_DROPPED[key] : undefined;
  if (known !== undefined) return known;
  return isRecord(value)
    ? "newel has nothing like it"
    : "newel has no such setting, and pm2's documentation neither";
}

/**
 * If several apps have the same port in their variables, only one of them listens on it, and the file does not
 * say which.
 */
function sharedPorts(services: readonly Draft[], notes: Notes): readonly Draft[] {
  const ports = services
    .map(({ settings }) => settings["listen"])
    .filter((each) => typeof each === "number");
  const twice = new Set(ports.filter((port, index) => ports.indexOf(port) !== index));
  return services.map((draft) => {
    const { listen, ...others } = draft.settings;
    if (typeof listen !== "number" || !twice.has(listen)) return draft;
    notes.remark(
      { line: draft.line, service: draft.name, key: "listen" },
      `shares the port ${listen} with another app of the file: write listen: ${listen} for the one that serves it.`,
    );
    return { ...draft, settings: others };
  });
}
