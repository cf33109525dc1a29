import { availableParallelism } from "node:os";
import { resolve } from "node:path";

import { durationMs, sizeBytes } from "../../base/units.ts";
import { serviceHash } from "./changes.ts";
import { computeEnvironment, processEnvironment } from "./environment.ts";
import { binDirectories, findProgram, withoutRunners } from "./programs.ts";
import type {
  ResolvedAlive,
  ResolvedCommand,
  ResolvedHooks,
  ResolvedProbe,
  ResolvedService,
  ResolvedSocket,
} from "./resolved.ts";
import { type ResolvedIdentity, resolveIdentity, resolveLimits } from "./identity.ts";
import { parsePortRange } from "./port-range.ts";
import { pathText } from "./problems.ts";
import {
  atFirstPort,
  expandSockets,
  expandVariables,
  namesPort,
  namesReplica,
} from "./references.ts";
import { placeSocket } from "./follow.ts";
import { dependencies } from "./rules.ts";
import type { CheckedAlive } from "./policy-schema.ts";
import type { CheckedService } from "./schema.ts";
import { parseAddress } from "./host-port.ts";
import { addressText, listenSockets } from "./sockets.ts";
import type { EnvironmentConfig } from "./types.ts";
import { resolveRestartCron, resolveSchedule } from "./schedule.ts";
import { resolveWatch } from "./watched.ts";

/** Variables from one place of the configuration. */
export interface Layer {
  readonly variables: EnvironmentConfig | undefined;
  /** Whether `$(…)` means something there: in `env`, not in .env files. */
  readonly hasReferences: boolean;
}

/** The input of a service in addition to its own settings. */
interface ResolveContext {
  /** Of the configuration file. */
  readonly directory: string;
  readonly caller: NodeJS.ProcessEnv;
  readonly sockets: readonly ResolvedSocket[];
  /** Names of sockets whose host no app decides. */
  readonly undecided: ReadonlySet<string>;
  /** The app's and the service's .env files and `env`, the weakest first. */
  readonly layers: readonly Layer[];
  /** By its path, the text of a setting before variables were replaced in it. */
  readonly written: ReadonlyMap<string, string>;
  /** Services that are left out. */
  readonly disabled: ReadonlySet<string>;
}

/** A checked service with every default filled in. */
export function resolveService(
  name: string,
  service: CheckedService,
  context: ResolveContext,
): ResolvedService {
  const { caller, layers, disabled, sockets, undecided } = context;
  const cwd = resolve(context.directory, service.cwd ?? ".");
  const identity = resolveIdentity(service);
  const listen = listenSockets(service, sockets).map((socket) =>
    ownedBy(identity, placeSocket(socket, undecided)),
  );
  const environment = {
    ...computeEnvironment({
      caller: withoutRunners(caller, context.directory),
      passEnv: service.passEnv ?? [],
      layers: layers.map(({ variables, hasReferences }) =>
        hasReferences ? expandVariables(variables, listen) : variables,
      ),
    }),
    replicaVariables: replicaVariables(layers),
    binDirectories: binDirectories(cwd),
  };
  const wanted = Object.entries(dependencies(service)).filter(([other]) => !disabled.has(other));
  const command = resolveCommand(
    withSockets(service, listen),
    cwd,
    processEnvironment(environment)["PATH"],
  );
  const schedule = resolveSchedule(service.schedule);
  // Its next run has the changed files.
  const watch = schedule === undefined ? resolveWatch(service.watch, command, cwd) : false;
  const resolved = {
    name,
    enabled: service.enabled ?? true,
    command,
    cwd,
    ...environment,
    ...(service.umask === undefined ? {} : { umask: Number.parseInt(service.umask, 8) }),
    ...ifGiven("tags", service.tags),
    ...ifGiven("identity", identity),
    ...ifGiven("limits", service.limits === undefined ? undefined : resolveLimits(service.limits)),
    ...ifGiven("nice", service.nice),
    ...ifGiven("portRange", parsePortRange(service.portRange ?? "")),
    ...ifGiven("shownCommand", shownCommand(name, service, context.written)),
    ...(service.instanceVar === undefined ? {} : { instanceVar: service.instanceVar }),
    listen,
    replicas: service.replicas === "cpus" ? availableParallelism() : (service.replicas ?? 1),
    ready: resolveReady(service, listen),
    ...resolveFitness(service, listen),
    ...ifGiven("hooks", resolveHooks(service)),
    ...ifGiven("schedule", schedule),
    stop: resolveStop(service),
    reload: { order: service.reload?.order ?? (listen.length > 0 ? "start-first" : "stop-first") },
    restart: resolveRestart(service),
    dependsOn: Object.fromEntries(wanted),
    logs: resolveLogs(service),
    ...(watch === undefined ? {} : { watch }),
  } as const;
  return { ...resolved, hash: serviceHash(resolved) };
}

/** The file of a Unix socket belongs to the service that listens on it, unless the socket has an owner. */
function ownedBy(identity: ResolvedIdentity | undefined, socket: ResolvedSocket): ResolvedSocket {
  const { path, uid, gid } = socket;
  if (path === undefined || identity === undefined || uid !== undefined || gid !== undefined)
    return socket;
  return {
    ...socket,
    ...ifGiven("uid", identity.uid),
    ...ifGiven("gid", identity.gid),
  };
}

function ifGiven<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [Name in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [Name in Key]?: Value });
}

/** The command as it is written; `undefined` if no variable was replaced in it. */
function shownCommand(
  name: string,
  service: CheckedService,
  written: ReadonlyMap<string, string>,
): string | undefined {
  const before = (key: "run" | "args" | "nodeArgs" | "node"): string[] => {
    const value = service[key] ?? [];
    const at = ["services", name, key];
    if (typeof value === "string") return [written.get(pathText(at)) ?? value];
    return value.map((word, index) => written.get(pathText([...at, index])) ?? word);
  };
  const after = [service.nodeArgs, service.node, service.args, service.run].flat();
  const words = [before("nodeArgs"), before("node"), before("args"), before("run")].flat();
  if (words.join(" ") === after.filter((word) => word !== undefined).join(" ")) return undefined;
  return (service.node === undefined ? words : ["node", ...words]).join(" ");
}

/** The command with its references to sockets replaced. */
function withSockets(service: CheckedService, listen: readonly ResolvedSocket[]): CheckedService {
  const { run, args, nodeArgs } = service;
  const expand = (text: string): string => expandSockets(text, listen);
  return {
    ...service,
    ...(run === undefined ? {} : { run: typeof run === "string" ? expand(run) : run.map(expand) }),
    ...(args === undefined ? {} : { args: args.map(expand) }),
    ...(nodeArgs === undefined ? {} : { nodeArgs: nodeArgs.map(expand) }),
  };
}

/** The variables whose value names the replica, in the layer that wins. */
function replicaVariables(layers: readonly Layer[]): string[] {
  const names = new Set<string>();
  for (const { variables, hasReferences } of layers)
    for (const [name, value] of Object.entries(variables ?? {})) {
      if (value === undefined) continue;
      if (hasReferences && namesReplica(String(value))) names.add(name);
      else names.delete(name);
    }
  return [...names].sort();
}

function resolveCommand(
  service: CheckedService,
  cwd: string,
  path: string | undefined,
): ResolvedCommand {
  const { node, run = [], args = [], nodeArgs = [] } = service;
  if (node !== undefined) {
    const { nodePath: asked } = service;
    const nodePath =
      asked === undefined
        ? process.execPath
        : (findProgram(asked, path, cwd) ?? resolve(cwd, asked));
    const isSearched = asked !== undefined && !asked.includes("/");
    const name = isSearched ? { nodeName: asked } : {};
    return { kind: "node", nodePath, ...name, nodeArgs, file: resolve(cwd, node), args };
  }
  if (typeof run === "string") return { kind: "shell", line: run };
  const program = findProgram(run[0] ?? "", path, cwd);
  return { kind: "exec", args: run, ...(program === undefined ? {} : { program }) };
}

function resolveHooks({ hooks }: CheckedService): ResolvedHooks | undefined {
  if (hooks === undefined) return undefined;
  const { timeout = "10s", ...commands } = hooks;
  return { ...commands, timeoutMs: durationMs(timeout) };
}

function resolveLogs({ logs = {} }: CheckedService): ResolvedService["logs"] {
  return {
    bufsizeBytes: sizeBytes(logs.bufsize ?? "64MB"),
    ...(logs.maxAge === undefined ? {} : { maxAgeMs: durationMs(logs.maxAge) }),
    stderr: logs.stderr ?? "separate",
  };
}

function resolveReady(
  service: CheckedService,
  listen: readonly ResolvedSocket[],
): ResolvedService["ready"] {
  const { ready = {} } = service;
  const probe = resolveProbe(service, listen);
  return {
    probe,
    afterMs: durationMs(ready.after ?? (probe.kind === "alive" ? "1s" : "0ms")),
    timeoutMs: durationMs(ready.timeout ?? "30s"),
    stableMs: durationMs(ready.stable ?? "3s"),
  };
}

function resolveProbe(service: CheckedService, listen: readonly ResolvedSocket[]): ResolvedProbe {
  const { ready = {}, node } = service;
  if (ready.log !== undefined) return { kind: "log", text: ready.log };
  if (ready.pattern !== undefined) return { kind: "pattern", pattern: ready.pattern };
  const asked = askedProbe(ready, service, listen);
  if (asked !== undefined) return asked;
  if (ready.notify === true) return { kind: "notify", app: true };
  if (ready.notify === false || listen.length === 0) return { kind: "alive" };
  return { kind: node === undefined ? "listen" : "notify" };
}

/** A probe by command, TCP or HTTP; `undefined` for another kind of readiness. */
function askedProbe(
  { tcp, http, command }: CheckedAlive,
  { node, portRange }: Pick<CheckedService, "node" | "portRange">,
  listen: readonly ResolvedSocket[],
): ResolvedAlive["probe"] | undefined {
  if (command !== undefined) return { kind: "command", command };
  const range = parsePortRange(portRange ?? "");
  const ranged = namesPort(tcp ?? http ?? "") ? ({ ranged: true } as const) : {};
  const address = parseAddress(atFirstPort(tcp ?? "", range));
  if (address !== undefined) return { kind: "tcp", ...address, ...ranged };
  if (http === undefined) return undefined;
  const probe = httpProbe(atFirstPort(http, range), node !== undefined, listen[0]);
  return { ...probe, ...ranged };
}

/** The settings that a ready process has to meet. */
function resolveFitness(
  service: CheckedService,
  listen: readonly ResolvedSocket[],
): Pick<ResolvedService, "alive" | "maxMemoryBytes"> {
  const { maxMemory } = service;
  return {
    ...ifGiven("alive", resolveAlive(service, listen)),
    ...ifGiven("maxMemoryBytes", maxMemory === undefined ? undefined : sizeBytes(maxMemory)),
  };
}

function resolveAlive(
  service: CheckedService,
  listen: readonly ResolvedSocket[],
): ResolvedAlive | undefined {
  const { alive } = service;
  const probe = alive === undefined ? undefined : askedProbe(alive, service, listen);
  if (alive === undefined || probe === undefined) return undefined;
  return {
    probe,
    intervalMs: durationMs(alive.interval ?? "10s"),
    timeoutMs: durationMs(alive.timeout ?? "5s"),
    threshold: alive.threshold ?? 3,
  };
}

function httpProbe(
  http: string,
  isNode: boolean,
  socket: ResolvedSocket | undefined,
): Extract<ResolvedProbe, { readonly kind: "http" }> {
  if (!http.startsWith("/")) {
    const { hostname, host, port, pathname, search } = new URL(http);
    const address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
    return { kind: "http", path: pathname + search, address, hostHeader: host };
  }
  if (isNode || socket === undefined) return { kind: "http", path: http };
  if (socket.path !== undefined)
    return {
      kind: "http",
      path: http,
      address: { path: socket.path },
      own: true,
      hostHeader: "localhost",
    };
  const everywhere = new Map([
    ["::", "::1"],
    ["0.0.0.0", "127.0.0.1"],
  ]);
  // The app decides: one of the addresses that a name has is where it listens.
  const bound = socket.host ?? "localhost";
  const host = everywhere.get(bound) ?? bound;
  const port = socket.port ?? 80;
  const hostHeader = addressText({ ...socket, host });
  return { kind: "http", path: http, address: { host, port }, own: true, hostHeader };
}

function resolveStop({ stop = {} }: CheckedService): ResolvedService["stop"] {
  const graceMs = durationMs(stop.grace ?? "10s");
  return {
    signal: stop.signal ?? "SIGTERM",
    graceMs,
    scope: stop.scope ?? "auto",
    lingerMs: Math.min(graceMs, durationMs(stop.linger ?? "1s")),
  };
}

function resolveRestart({ restart = {}, schedule }: CheckedService): ResolvedService["restart"] {
  const given = typeof restart === "string" ? { policy: restart } : restart;
  const usual = schedule === undefined ? "always" : "never";
  const { policy = usual, max = 10, within = "1m", backoff = {}, whenFailed } = given;
  const minMs = durationMs(backoff.min ?? "100ms");
  return {
    policy,
    max,
    withinMs: durationMs(within),
    backoff: { minMs, maxMs: Math.max(minMs, durationMs(backoff.max ?? "15s")) },
    whenFailed: whenFailed ?? "refuse",
    ...resolveRestartCron(restart),
  };
}
