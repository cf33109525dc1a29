import * as v from "valibot";

import { newelError } from "../../base/errors.ts";
import type { DependencyCondition, RestartPolicy } from "./types.ts";

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
  /** In the order of the file; those that a `listen` implies come last. */
  readonly sockets: readonly ResolvedSocket[];
  /** In the order of the file. */
  readonly services: readonly ResolvedService[];
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
  /** The kernel's name of the socket; filled in by the supervisor, missing before that. */
  readonly kernelName?: string;
}

/** What is started: a Node program, words without a shell, or a line for /bin/sh -c. */
export type ResolvedCommand =
  | {
      readonly kind: "node";
      /** The Node.js of the configuration, else the one that evaluated it; absolute. */
      readonly nodePath: string;
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

/** Where a probe connects. */
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
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | {
      readonly kind: "http";
      /** Path and query. */
      readonly path: string;
      /** Missing: the process's own HTTP server, through the preload's control socket. */
      readonly address?: ResolvedAddress;
      /** The address is the service's own socket: a process with the preload is asked past it. */
      readonly own?: true;
      /** The Host header to send with `address`. */
      readonly hostHeader?: string;
    };

export interface ResolvedService {
  readonly name: string;
  readonly enabled: boolean;
  readonly command: ResolvedCommand;
  readonly cwd: string;
  /** Variables of the shell that called `newel up` first: PATH, HOME, LANG and the like; not compared. */
  readonly base: Readonly<Record<string, string>>;
  /** Variables of the configuration: `passEnv`, `envFile`, `env`. They win over `base`. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables in `env` whose value has `$(replica)`, which each start replaces. */
  readonly replicaVariables: readonly string[];
  /** The `node_modules/.bin` of `cwd` and of the directories above it, nearest first; not compared. */
  readonly binDirectories: readonly string[];
  readonly umask?: number;
  /** A variable with the number of the replica less 1. */
  readonly instanceVar?: string;
  readonly listen: readonly ResolvedSocket[];
  readonly replicas: number;
  readonly ready: {
    readonly probe: ResolvedProbe;
    readonly afterMs: number;
    readonly timeoutMs: number;
    readonly stableMs: number;
  };
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
    /** What clients get while every replica is failed. */
    readonly whenFailed: "refuse" | "wait";
  };
  /** Enabled services alone. */
  readonly dependsOn: Readonly<Record<string, DependencyCondition>>;
  readonly logs: {
    readonly bufsizeBytes: number;
    readonly maxAgeMs?: number;
    readonly stderr: "separate" | "stdout";
  };
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
  kernelName: v.exactOptional(v.string()),
});

const commandSchema: v.GenericSchema<unknown, ResolvedCommand> = v.variant("kind", [
  v.object({
    kind: v.literal("node"),
    nodePath: v.string(),
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

const probeSchema: v.GenericSchema<unknown, ResolvedProbe> = v.variant("kind", [
  v.object({ kind: v.literal("alive") }),
  v.object({ kind: v.literal("listen") }),
  v.object({ kind: v.literal("notify"), app: v.exactOptional(v.literal(true)) }),
  v.object({ kind: v.literal("log"), text: v.string() }),
  v.object({ kind: v.literal("tcp"), host: v.string(), port: count }),
  v.object({
    kind: v.literal("http"),
    path: v.string(),
    address: v.exactOptional(addressSchema),
    own: v.exactOptional(v.literal(true)),
    hostHeader: v.exactOptional(v.string()),
  }),
]);

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
  instanceVar: v.exactOptional(v.string()),
  listen: v.array(socketSchema),
  replicas: count,
  ready: v.object({ probe: probeSchema, afterMs: count, timeoutMs: count, stableMs: count }),
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
  }),
  dependsOn: v.record(v.string(), v.picklist(["started", "ready", "completed"])),
  logs: v.object({
    bufsizeBytes: count,
    maxAgeMs: v.exactOptional(count),
    stderr: v.picklist(["separate", "stdout"]),
  }),
  hash: v.string(),
});

const configSchema: v.GenericSchema<unknown, ResolvedConfig> = v.object({
  name: v.string(),
  nameFrom: v.optional(v.picklist(["configuration", "directory"]), "configuration"),
  file: v.string(),
  sockets: v.array(socketSchema),
  services: v.array(serviceSchema),
});

/**
 * Reads back a configuration that was stored or sent.
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
