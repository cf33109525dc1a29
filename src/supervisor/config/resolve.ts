import { availableParallelism } from "node:os";
import { resolve } from "node:path";

import { durationMs, sizeBytes } from "../../base/units.ts";
import { serviceHash } from "./changes.ts";
import { computeEnvironment, processEnvironment } from "./environment.ts";
import { binDirectories, findProgram, withoutRunners } from "./programs.ts";
import type {
  ResolvedCommand,
  ResolvedProbe,
  ResolvedService,
  ResolvedSocket,
} from "./resolved.ts";
import { expandSockets, expandVariables, namesReplica } from "./references.ts";
import { placeSocket } from "./follow.ts";
import { dependencies } from "./rules.ts";
import type { CheckedService } from "./schema.ts";
import { addressText, listenSockets, parseAddress } from "./sockets.ts";
import type { EnvironmentConfig } from "./types.ts";

/** Variables from one place of the configuration. */
interface Layer {
  readonly variables: EnvironmentConfig | undefined;
  /** Whether `$(…)` means something there: in `env`, not in .env files. */
  readonly hasReferences: boolean;
}

/** What a service needs beside its own settings. */
interface ResolveContext {
  /** Of the configuration file. */
  readonly directory: string;
  readonly caller: NodeJS.ProcessEnv;
  readonly sockets: readonly ResolvedSocket[];
  /** Names of sockets whose host no app decides. */
  readonly undecided: ReadonlySet<string>;
  /** The app's and the service's .env files and `env`, the weakest first. */
  readonly layers: readonly Layer[];
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
  const listen = listenSockets(service, sockets).map((socket) => placeSocket(socket, undecided));
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
  const resolved = {
    name,
    enabled: service.enabled ?? true,
    command: resolveCommand(
      withSockets(service, listen),
      cwd,
      processEnvironment(environment)["PATH"],
    ),
    cwd,
    ...environment,
    ...(service.umask === undefined ? {} : { umask: Number.parseInt(service.umask, 8) }),
    ...(service.instanceVar === undefined ? {} : { instanceVar: service.instanceVar }),
    listen,
    replicas: service.replicas === "cpus" ? availableParallelism() : (service.replicas ?? 1),
    ready: resolveReady(service, listen),
    stop: resolveStop(service),
    reload: { order: service.reload?.order ?? (listen.length > 0 ? "start-first" : "stop-first") },
    restart: resolveRestart(service),
    dependsOn: Object.fromEntries(wanted),
    logs: {
      bufsizeBytes: sizeBytes(service.logs?.bufsize ?? "64MB"),
      ...(service.logs?.maxAge === undefined ? {} : { maxAgeMs: durationMs(service.logs.maxAge) }),
      stderr: service.logs?.stderr ?? "separate",
    },
  } as const;
  return { ...resolved, hash: serviceHash(resolved) };
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
    return { kind: "node", nodePath, nodeArgs, file: resolve(cwd, node), args };
  }
  if (typeof run === "string") return { kind: "shell", line: run };
  const program = findProgram(run[0] ?? "", path, cwd);
  return { kind: "exec", args: run, ...(program === undefined ? {} : { program }) };
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

function resolveProbe(
  { ready = {}, node }: CheckedService,
  listen: readonly ResolvedSocket[],
): ResolvedProbe {
  if (ready.log !== undefined) return { kind: "log", text: ready.log };
  const address = ready.tcp === undefined ? undefined : parseAddress(ready.tcp);
  if (address !== undefined) return { kind: "tcp", ...address };
  if (ready.http !== undefined) return httpProbe(ready.http, node !== undefined, listen[0]);
  if (ready.notify === true) return { kind: "notify", app: true };
  if (ready.notify === false || listen.length === 0) return { kind: "alive" };
  return { kind: node === undefined ? "listen" : "notify" };
}

function httpProbe(
  http: string,
  isNode: boolean,
  socket: ResolvedSocket | undefined,
): ResolvedProbe {
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

function resolveRestart({ restart = {} }: CheckedService): ResolvedService["restart"] {
  const given = typeof restart === "string" ? { policy: restart } : restart;
  const { policy = "always", max = 10, within = "1m", backoff = {}, whenFailed } = given;
  const minMs = durationMs(backoff.min ?? "100ms");
  return {
    policy,
    max,
    withinMs: durationMs(within),
    backoff: { minMs, maxMs: Math.max(minMs, durationMs(backoff.max ?? "15s")) },
    whenFailed: whenFailed ?? "refuse",
  };
}
