import * as v from "valibot";

import { newelError } from "../../base/errors.ts";
import { type ResolvedAlerts, resolvedAlertsSchema } from "./alerts.ts";
import type { ResolvedIdentity } from "./identity.ts";
import type { PortRange } from "./port-range.ts";
import { cronSchema, type ResolvedSchedule, scheduleSchema } from "./resolved-schedule.ts";
import type { RestartPolicy } from "./policy-types.ts";
import type { DependencyCondition } from "./types.ts";

/**
 * The configuration as the supervisor stores it and works from: plain JSON, every path absolute,
 * every default filled in, durations in milliseconds, sizes in bytes, environments complete.
 */
export interface ResolvedConfig {
  /** The app's name. */
  readonly name: string;
  /** Whether the name is written in the configuration or is that of its directory. */
  readonly nameFrom: "configuration" | "directory";
  /** The configuration file, absolute. */
  readonly file: string;
  /** The active profiles; missing without any. */
  readonly profiles?: readonly string[];
  /** In the order of the file; those that a `listen` implies come last. */
  readonly sockets: readonly ResolvedSocket[];
  /** In the order of the file. */
  readonly services: readonly ResolvedService[];
  /** Missing: no endpoint. */
  readonly metrics?: ResolvedMetrics;
  /** Missing: no alerts. */
  readonly on?: ResolvedAlerts;
}

/** A TCP or a Unix socket. Without `host` it listens where the app's own listen() does. */
export interface ResolvedSocket {
  readonly name: string;
  readonly backlog: number;
  readonly host?: string;
  readonly port?: number;
  /** Absolute; makes it a Unix socket. */
  readonly path?: string;
  readonly umask?: number;
  /** The owner of the file of a Unix socket, where it is another one than that of newel. */
  readonly uid?: number;
  readonly gid?: number;
  /** The kernel's name of the socket; filled in by the supervisor, missing before that. */
  readonly kernelName?: string;
}

/** The command: a Node program, words without a shell, or a line for /bin/sh -c. */
export type ResolvedCommand =
  | {
      readonly kind: "node";
      /** The Node.js of the configuration, else the one that evaluated it; absolute. */
      readonly nodePath: string;
      /** The name that PATH was searched for, where the configuration has one without a slash. */
      readonly nodeName?: string;
      readonly nodeArgs: readonly string[];
      /** The program, absolute. */
      readonly file: string;
      readonly args: readonly string[];
    }
  | {
      readonly kind: "exec";
      readonly args: readonly string[];
      /** The file of `args[0]`, absolute, where PATH was searched for it and had it. */
      readonly program?: string;
    }
  | { readonly kind: "shell"; readonly line: string };

/** The address of a probe. */
type ResolvedAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * How a process becomes ready; `alive`: by `afterMs` alone; `listen`: when it listens, as the preload
 * reports. A service with `run` may have no Node.js process: then it is ready one second after its start.
 */
export type ResolvedProbe =
  | { readonly kind: "alive" }
  | { readonly kind: "listen" }
  | {
      readonly kind: "notify";
      /** The app itself reports it: that it listens is not enough. */
      readonly app?: true;
    }
  | { readonly kind: "log"; readonly text: string }
  /** A line of output that matches a regular expression. */
  | { readonly kind: "pattern"; readonly pattern: string }
  /** A command that ends with 0. */
  | { readonly kind: "command"; readonly command: CheckCommand }
  | {
      readonly kind: "tcp";
      readonly host: string;
      readonly port: number;
      /** The port is that of replica 1: the others have the next ones of `portRange`. */
      readonly ranged?: true;
    }
  | {
      readonly kind: "http";
      /** Path and query. */
      readonly path: string;
      /** Missing: the process's own HTTP server, through the preload's control socket. */
      readonly address?: ResolvedAddress;
      /** The address is the service's own socket: a process with the preload is asked past it. */
      readonly own?: true;
      /** The port of `address` is that of replica 1: the others have the next ones of `portRange`. */
      readonly ranged?: true;
      /** The Host header to send with `address`. */
      readonly hostHeader?: string;
    };

/** The files of a service that are watched. */
export interface ResolvedWatch {
  /** Directories, files or patterns, relative to `base`. */
  readonly paths: readonly string[];
  readonly ignore: readonly string[];
  readonly debounceMs: number;
  /** The directory from which paths and patterns count, absolute. */
  readonly base: string;
  /** The files of the program, absolute: directories above them are watched even where they are build outputs. */
  readonly programs: readonly string[];
}

/** A command that checks a process: a line for /bin/sh -c, or words without a shell. */
export type CheckCommand = string | readonly string[];

/** The liveness check of a service. */
export interface ResolvedAlive {
  readonly probe: Extract<ResolvedProbe, { readonly kind: "http" | "tcp" | "command" }>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row until the process is replaced. */
  readonly threshold: number;
}

/** The endpoint and the targets of the metrics of an app. */
export interface ResolvedMetrics {
  /** The path is absolute. */
  readonly prometheus?: ResolvedAddress;
  readonly otlp?: ResolvedOtlp;
  readonly statsd?: ResolvedStatsd;
}

export interface ResolvedOtlp {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly everyMs: number;
}

export interface ResolvedStatsd {
  readonly host: string;
  readonly port: number;
  readonly everyMs: number;
}

/** The commands of a service at moments in the life of each replica. */
export interface ResolvedHooks {
  readonly beforeStart?: CheckCommand;
  readonly afterReady?: CheckCommand;
  readonly beforeStop?: CheckCommand;
  /** Of each of them. */
  readonly timeoutMs: number;
}

export interface ResolvedService {
  readonly name: string;
  readonly enabled: boolean;
  readonly command: ResolvedCommand;
  readonly cwd: string;
  /** Variables of the shell that called `newel up` first: PATH, HOME, LANG and the like; not compared. */
  readonly base: Readonly<Record<string, string>>;
  /** Variables of the configuration: `passEnv`, `envFile`, `env`. They win over `base`. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables in `env` whose value has `$(replica)` or `$(port)`, which each start replaces. */
  readonly replicaVariables: readonly string[];
  /** The `node_modules/.bin` of `cwd` and of the directories above it, nearest first; not compared. */
  readonly binDirectories: readonly string[];
  readonly umask?: number;
  /** Names of groups of services, for commands. */
  readonly tags?: readonly string[];
  /** Another user or group than that of newel. */
  readonly identity?: ResolvedIdentity;
  /** Counts, bytes and seconds by the names of prlimit(1), soft and hard. */
  readonly limits?: Readonly<Record<string, number | "unlimited">>;
  readonly nice?: number;
  /** Ports of the replicas, which bind them themselves. */
  readonly portRange?: PortRange;
  /** The command as it is written, where variables in it were replaced: it shows none of their values. */
  readonly shownCommand?: string;
  /** A variable whose value is the number of the replica minus 1. */
  readonly instanceVar?: string;
  readonly listen: readonly ResolvedSocket[];
  readonly replicas: number;
  readonly ready: {
    readonly probe: ResolvedProbe;
    readonly afterMs: number;
    readonly timeoutMs: number;
    readonly stableMs: number;
  };
  /** The liveness check of a ready process; missing: none. */
  readonly alive?: ResolvedAlive;
  /** The most memory that the processes of a replica may use together, in bytes; missing: no limit. */
  readonly maxMemoryBytes?: number;
  readonly hooks?: ResolvedHooks;
  /** The service runs at these times alone; missing: it runs always. */
  readonly schedule?: ResolvedSchedule;
  readonly stop: {
    readonly signal: string;
    readonly graceMs: number;
    readonly scope: "auto" | "main" | "group" | "tree";
    readonly lingerMs: number;
  };
  readonly reload: { readonly order: "start-first" | "stop-first" };
  readonly restart: {
    readonly policy: RestartPolicy;
    readonly max: number;
    readonly withinMs: number;
    readonly backoff: { readonly minMs: number; readonly maxMs: number };
    /** The treatment of clients while every replica is failed. */
    readonly whenFailed: "refuse" | "wait";
    /** The times of a reload. */
    readonly cron?: Pick<ResolvedSchedule, "cron" | "tz">;
  };
  /** Enabled services alone. */
  readonly dependsOn: Readonly<Record<string, DependencyCondition>>;
  readonly logs: {
    readonly bufsizeBytes: number;
    readonly maxAgeMs?: number;
    readonly stderr: "separate" | "stdout";
  };
  /** The watched files; `false`: not even in `newel dev`. */
  readonly watch?: ResolvedWatch | false;
  /** Of all that a running process cannot take over: another hash means that new processes are needed. */
  readonly hash: string;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const texts = v.array(v.string());

const socketSchema: v.GenericSchema<unknown, ResolvedSocket> = v.object({
  name: v.string(),
  backlog: count,
  host: v.exactOptional(v.string()),
  port: v.exactOptional(count),
  path: v.exactOptional(v.string()),
  umask: v.exactOptional(count),
  uid: v.exactOptional(count),
  gid: v.exactOptional(count),
  kernelName: v.exactOptional(v.string()),
});

const commandSchema: v.GenericSchema<unknown, ResolvedCommand> = v.variant("kind", [
  v.object({
    kind: v.literal("node"),
    nodePath: v.string(),
    nodeName: v.exactOptional(v.string()),
    nodeArgs: texts,
    file: v.string(),
    args: texts,
  }),
  v.object({ kind: v.literal("exec"), args: texts, program: v.exactOptional(v.string()) }),
  v.object({ kind: v.literal("shell"), line: v.string() }),
]);

const addressSchema: v.GenericSchema<unknown, ResolvedAddress> = v.union([
  v.object({ host: v.string(), port: count }),
  v.object({ path: v.string() }),
]);

const tcpProbe = v.object({
  kind: v.literal("tcp"),
  host: v.string(),
  port: count,
  ranged: v.exactOptional(v.literal(true)),
});

const httpProbe = v.object({
  kind: v.literal("http"),
  path: v.string(),
  address: v.exactOptional(addressSchema),
  own: v.exactOptional(v.literal(true)),
  ranged: v.exactOptional(v.literal(true)),
  hostHeader: v.exactOptional(v.string()),
});

const commandProbe = v.object({
  kind: v.literal("command"),
  command: v.union([v.string(), texts]),
});

const probeSchema: v.GenericSchema<unknown, ResolvedProbe> = v.variant("kind", [
  v.object({ kind: v.literal("alive") }),
  v.object({ kind: v.literal("listen") }),
  v.object({ kind: v.literal("notify"), app: v.exactOptional(v.literal(true)) }),
  v.object({ kind: v.literal("log"), text: v.string() }),
  v.object({ kind: v.literal("pattern"), pattern: v.string() }),
  commandProbe,
  tcpProbe,
  httpProbe,
]);

const aliveSchema: v.GenericSchema<unknown, ResolvedAlive> = v.object({
  probe: v.variant("kind", [commandProbe, tcpProbe, httpProbe]),
  intervalMs: count,
  timeoutMs: count,
  threshold: count,
});

const watchSchema: v.GenericSchema<unknown, ResolvedWatch> = v.object({
  paths: texts,
  ignore: texts,
  debounceMs: count,
  base: v.string(),
  programs: texts,
});

const hookCommand = v.exactOptional(v.union([v.string(), texts]));

const hooksSchema: v.GenericSchema<unknown, ResolvedHooks> = v.object({
  beforeStart: hookCommand,
  afterReady: hookCommand,
  beforeStop: hookCommand,
  timeoutMs: count,
});

const serviceSchema: v.GenericSchema<unknown, ResolvedService> = v.object({
  name: v.string(),
  enabled: v.boolean(),
  command: commandSchema,
  cwd: v.string(),
  // A configuration that an earlier version stored has the base variables among the others.
  base: v.optional(v.record(v.string(), v.string()), {}),
  env: v.record(v.string(), v.string()),
  replicaVariables: v.optional(texts, []),
  binDirectories: v.optional(texts, []),
  umask: v.exactOptional(count),
  tags: v.exactOptional(texts),
  identity: v.exactOptional(
    v.object({
      uid: v.exactOptional(count),
      gid: v.exactOptional(count),
      variables: v.record(v.string(), v.string()),
    }),
  ),
  limits: v.exactOptional(v.record(v.string(), v.union([count, v.literal("unlimited")]))),
  nice: v.exactOptional(v.pipe(v.number(), v.integer())),
  portRange: v.exactOptional(v.object({ first: count, last: count })),
  shownCommand: v.exactOptional(v.string()),
  instanceVar: v.exactOptional(v.string()),
  listen: v.array(socketSchema),
  replicas: count,
  ready: v.object({ probe: probeSchema, afterMs: count, timeoutMs: count, stableMs: count }),
  alive: v.exactOptional(aliveSchema),
  maxMemoryBytes: v.exactOptional(count),
  hooks: v.exactOptional(hooksSchema),
  schedule: v.exactOptional(scheduleSchema),
  stop: v.object({
    signal: v.string(),
    graceMs: count,
    // Stored by a version that did not know it.
    scope: v.optional(v.picklist(["auto", "main", "group", "tree"]), "auto"),
    lingerMs: count,
  }),
  reload: v.object({ order: v.picklist(["start-first", "stop-first"]) }),
  restart: v.object({
    policy: v.picklist(["always", "on-failure", "never"]),
    max: count,
    withinMs: count,
    backoff: v.object({ minMs: count, maxMs: count }),
    whenFailed: v.optional(v.picklist(["refuse", "wait"]), "refuse"),
    cron: v.exactOptional(cronSchema),
  }),
  dependsOn: v.record(v.string(), v.picklist(["started", "ready", "completed"])),
  logs: v.object({
    bufsizeBytes: count,
    maxAgeMs: v.exactOptional(count),
    stderr: v.picklist(["separate", "stdout"]),
  }),
  watch: v.exactOptional(v.union([v.literal(false), watchSchema])),
  hash: v.string(),
});

const metricsSchema: v.GenericSchema<unknown, ResolvedMetrics> = v.object({
  prometheus: v.exactOptional(addressSchema),
  otlp: v.exactOptional(
    v.object({
      url: v.string(),
      headers: v.exactOptional(v.record(v.string(), v.string())),
      everyMs: count,
    }),
  ),
  statsd: v.exactOptional(v.object({ host: v.string(), port: count, everyMs: count })),
});

const configSchema: v.GenericSchema<unknown, ResolvedConfig> = v.object({
  name: v.string(),
  nameFrom: v.optional(v.picklist(["configuration", "directory"]), "configuration"),
  file: v.string(),
  profiles: v.exactOptional(texts),
  sockets: v.array(socketSchema),
  services: v.array(serviceSchema),
  metrics: v.exactOptional(metricsSchema),
  on: v.exactOptional(resolvedAlertsSchema),
});

/**
 * Parses a configuration that was stored or sent.
 *
 * @throws NEWEL_E_CONFIG_STORED when it is not one; no value of it stands in the message
 */
export function parseResolvedConfig(value: unknown): ResolvedConfig {
  const result = v.safeParse(configSchema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const at = v.getDotPath(issue) ?? "it";
  throw newelError("NEWEL_E_CONFIG_STORED", { why: `${at} is not ${issue.expected ?? "usable"}` });
}
