import { sha256 } from "../../base/sha256.ts";
import type { ResolvedCommand, ResolvedService, ResolvedSocket } from "./resolved.ts";

/** A service by the settings of the configuration, each with its resolved value. */
type Settings = Readonly<Record<string, unknown>>;

/**
 * The settings in which two versions of a service differ, by the names they have in the
 * configuration: `['args', 'env.PORT']`. Never a value.
 */
export function changedKeys(a: ResolvedService, b: ResolvedService): string[] {
  const before = { ...processSettings(a), ...policySettings(a) };
  const after = { ...processSettings(b), ...policySettings(b) };
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/**
 * The same differences as sentences for the operator: `env.PORT changed`. The programs are shown with their paths,
 * because PATH alone may have changed them; no other value is.
 */
export function describeChanges(a: ResolvedService, b: ResolvedService): string[] {
  return changedKeys(a, b).map((key) => {
    const [before, after] = [programOf(a, key), programOf(b, key)];
    const paths = before === undefined || after === undefined ? "" : `: ${before} → ${after}`;
    return `${PROGRAM_NAMES[key] ?? key} changed${paths}`;
  });
}

/** The settings that are no words of the configuration, as the operator knows them. */
const PROGRAM_NAMES: Readonly<Record<string, string>> = {
  nodePath: "the Node.js",
  program: "the program of run",
};

function programOf({ command }: ResolvedService, key: string): string | undefined {
  if (key === "nodePath" && command.kind === "node") return command.nodePath;
  return key === "program" && command.kind === "exec" ? command.program : undefined;
}

/** sha256 of every setting that a process gets at its start: when it changes, new processes are needed. */
export function serviceHash(service: Omit<ResolvedService, "hash">): string {
  const settings = Object.entries(processSettings(service))
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify(settings));
}

function processSettings(service: Omit<ResolvedService, "hash">): Settings {
  const {
    env,
    cwd,
    umask,
    identity,
    limits,
    nice,
    instanceVar,
    portRange,
    listen,
    logs,
    ready,
    stop,
    command,
  } = service;
  const variables = Object.entries(env).map(([name, value]) => [`env.${name}`, value]);
  return {
    ...commandSettings(command),
    ...Object.fromEntries(variables),
    cwd,
    umask,
    user: identity?.uid,
    group: identity?.gid,
    limits,
    nice,
    instanceVar,
    portRange,
    listen: listen.length === 0 ? undefined : listen.map(asConfigured),
    "logs.bufsize": logs.bufsizeBytes,
    "logs.maxAge": logs.maxAgeMs,
    "logs.stderr": logs.stderr,
    // The descriptor for READY=1 is passed when a process starts, so a change of `ready.notify` needs new
    // processes.
    "ready.notify": ready.probe.kind === "notify" && (ready.probe.app === true ? "app" : true),
    // The preload has these from its environment; other programs get the signal and know no more.
    ...(command.kind === "node" || listen.length > 0
      ? { "stop.signal": stop.signal, "stop.grace": stop.graceMs, "stop.linger": stop.lingerMs }
      : {}),
  };
}

/** A socket without the name that the supervisor chose for it in the kernel. */
function asConfigured(socket: ResolvedSocket): ResolvedSocket {
  const { kernelName: _, ...configured } = socket;
  return configured;
}

function commandSettings(command: ResolvedCommand): Settings {
  if (command.kind === "shell") return { run: command.line };
  if (command.kind === "exec") return { run: command.args, program: command.program };
  const { nodePath, nodeArgs, file, args } = command;
  return { node: file, args, nodeArgs, nodePath };
}

/** The settings that the supervisor applies without a new process. */
function policySettings(service: ResolvedService): Settings {
  const {
    enabled,
    replicas,
    ready,
    stop,
    reload,
    restart,
    dependsOn,
    tags,
    command,
    listen,
    watch,
    schedule,
    hooks,
  } = service;
  const { kind, ...probe } = ready.probe;
  return {
    enabled,
    tags,
    replicas,
    ...(kind === "alive" || kind === "listen" || kind === "notify"
      ? {}
      : { [`ready.${kind}`]: probe }),
    "ready.after": ready.afterMs,
    "ready.timeout": ready.timeoutMs,
    "ready.stable": ready.stableMs,
    ...(command.kind === "node" || listen.length > 0
      ? {}
      : { "stop.signal": stop.signal, "stop.grace": stop.graceMs, "stop.linger": stop.lingerMs }),
    alive: service.alive,
    maxMemory: service.maxMemoryBytes,
    "stop.scope": stop.scope,
    "reload.order": reload.order,
    "restart.policy": restart.policy,
    "restart.max": restart.max,
    "restart.within": restart.withinMs,
    "restart.backoff": restart.backoff,
    "restart.whenFailed": restart.whenFailed,
    "restart.cron": restart.cron,
    schedule,
    hooks,
    watch,
    dependsOn: Object.entries(dependsOn).sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}
