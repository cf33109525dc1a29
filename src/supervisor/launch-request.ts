import { readFileSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { preloadPath } from "../base/modules.ts";
import { withPreload } from "../base/node-options.ts";
import { DEFAULT_BACKLOG, type ListenTarget, PRELOAD_ENV } from "../base/preload.ts";
import type { ProcessRequest } from "../kernel/process-api.ts";
import { processEnvironment } from "./config/environment.ts";
import { portCount, portOf } from "./config/port-range.ts";
import { expandReplica, type ReplicaNumbers } from "./config/references.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { followsApp } from "./config/sockets.ts";
import { GROUP } from "./listening.ts";
import {
  formatRunName,
  programSocketName,
  type RunName,
  shownName,
  socketName,
} from "./process-names.ts";

/**
 * Whether processes of a service may be held back from accepting. Only the preload can do that; a
 * program that is not Node.js accepts at once, and the supervisor does not wait for it.
 */
export function canHold(spec: ResolvedService): boolean {
  return spec.listen.length > 0;
}

/** Whether the Node.js processes of a service get the preload. */
function hasPreload({ command, listen }: ResolvedService): boolean {
  return command.kind === "node" || listen.length > 0;
}

/** Settings of one start that are not part of the service's configuration. */
export interface LaunchOptions {
  /** Listen, but accept no connection before the supervisor allows it. */
  readonly hold: boolean;
  /** Beginning of the path of the control socket that the preload opens. */
  readonly controlPath: string;
  /** The supervisor's own home directory, absolute. */
  readonly home: string;
}

/**
 * The kernel's request for one generation of one replica of a service.
 *
 * @throws NEWEL_E_PORT_RANGE when the range of ports has none for the number of the replica
 */
export function launchRequest(
  spec: ResolvedService,
  run: RunName,
  options: LaunchOptions,
): ProcessRequest {
  const { command } = spec;
  const numbers = launchNumbers(spec, run);
  const environment = processEnvironment(spec, numbers);
  return {
    name: formatRunName(run),
    ...commandOf(command, numbers),
    env: {
      ...serviceVariables(spec, run, options.home),
      ...socketNames(spec, run.app),
      [PRELOAD_ENV.mark]: randomId(),
      ...(hasPreload(spec) ? preloadEnvironment(spec, run, options, environment) : {}),
    },
    workingDir: spec.cwd,
    bufsize: spec.logs.bufsizeBytes,
    // The bound is that of the service: all of its processes share it, those that ended too.
    group: `${run.app}/${run.service}`,
    ...(spec.logs.maxAgeMs === undefined ? {} : { maxAgeMs: spec.logs.maxAgeMs }),
    stderr: spec.logs.stderr === "stdout" ? "stdout" : true,
    sockets: spec.listen.map((socket) =>
      followsApp(socket) ? socketName(run.app, socket) + GROUP : socketName(run.app, socket),
    ),
    // Programs that are not ours may check LISTEN_PID, as systemd's protocol says.
    listenPid: command.kind !== "node" && spec.listen.length > 0,
    notify: true,
    ...(spec.umask === undefined ? {} : { umask: spec.umask }),
    ...(spec.identity?.uid === undefined ? {} : { uid: spec.identity.uid }),
    ...(spec.identity?.gid === undefined ? {} : { gid: spec.identity.gid }),
    ...(spec.limits === undefined ? {} : { rlimits: spec.limits }),
    ...(spec.nice === undefined ? {} : { nice: spec.nice }),
  };
}

/**
 * The environment of a replica, without the variables of its sockets and of the preload.
 *
 * @throws NEWEL_E_PORT_RANGE when the range of ports has none for the number of the replica
 */
export function serviceVariables(
  spec: ResolvedService,
  run: RunName,
  home: string,
): Readonly<Record<string, string>> {
  return {
    // Singletons, jobs and kernel clients in the service use this home, unless its own
    // configuration names another one. Another user may not use it.
    ...(isOtherUser(spec) ? {} : { NEWEL_HOME: home }),
    // Its output is captured, and a crash would lose what Python has buffered.
    PYTHONUNBUFFERED: "1",
    ...processEnvironment(spec, launchNumbers(spec, run)),
    [PRELOAD_ENV.process]: shownName(run),
    [PRELOAD_ENV.replica]: String(run.slot),
    ...(spec.instanceVar === undefined ? {} : { [spec.instanceVar]: String(run.slot - 1) }),
  };
}

/** Whether a service runs as another user than newel. */
export function isOtherUser({ identity }: ResolvedService): boolean {
  return identity?.uid !== undefined && identity.uid !== process.getuid?.();
}

/** The numbers that the settings of a replica refer to. */
export function launchNumbers(
  { name, portRange }: ResolvedService,
  { slot }: RunName,
): ReplicaNumbers {
  if (portRange === undefined) return { replica: slot };
  if (slot <= portCount(portRange)) return { replica: slot, port: portOf(portRange, slot) };
  const { first, last } = portRange;
  throw newelError("NEWEL_E_PORT_RANGE", {
    service: name,
    range: `${first}-${last}`,
    ports: portCount(portRange),
    replica: slot,
  });
}

/** The names of the passed sockets, in the order of `listen`. */
function socketNames({ listen }: ResolvedService, app: string): Record<string, string> {
  if (listen.length === 0) return {};
  return { LISTEN_FDNAMES: listen.map((socket) => passedName(app, socket)).join(":") };
}

/**
 * The name of a socket in a process: the configuration's name, for any name in the kernel. A socket
 * that follows the app is one of several, which the kernel's names distinguish.
 */
function passedName(app: string, socket: ResolvedService["listen"][number]): string {
  return followsApp(socket)
    ? programSocketName(socketName(app, socket))
    : socket.name.replaceAll(":", "_");
}

function commandOf(
  command: ResolvedService["command"],
  numbers: ReplicaNumbers,
): Pick<ProcessRequest, "args" | "shell"> {
  const expand = (text: string): string => expandReplica(text, numbers);
  switch (command.kind) {
    case "node": {
      const { nodePath, nodeArgs, file, args } = command;
      return { args: [nodePath, ...nodeArgs.map(expand), file, ...args.map(expand)] };
    }
    case "exec": {
      const [program = "", ...args] = command.args;
      return { args: [command.program ?? expand(program), ...args.map(expand)] };
    }
    case "shell":
      return { args: [expand(command.line)], shell: true };
  }
}

function preloadEnvironment(
  spec: ResolvedService,
  run: RunName,
  { hold, controlPath }: LaunchOptions,
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const targets = spec.listen.map((socket): ListenTarget => {
    const { port, path } = socket;
    return {
      name: passedName(run.app, socket),
      ...(port === undefined ? {} : { port }),
      ...(path === undefined ? {} : { path }),
      ...(followsApp(socket) ? { follows: true } : {}),
      ...(socket.backlog === DEFAULT_BACKLOG ? {} : { backlog: socket.backlog }),
    };
  });
  return {
    NODE_OPTIONS: withPreload(environment["NODE_OPTIONS"], preloadPath()),
    [PRELOAD_ENV.listen]: JSON.stringify(targets),
    [PRELOAD_ENV.control]: controlPath,
    [PRELOAD_ENV.stopSignal]: spec.stop.signal,
    [PRELOAD_ENV.graceMs]: String(spec.stop.graceMs),
    [PRELOAD_ENV.lingerMs]: String(spec.stop.lingerMs),
    ...(spec.command.kind === "node" ? { [PRELOAD_ENV.entry]: "1" } : {}),
    ...(spec.ready.probe.kind === "notify" && spec.ready.probe.app === true
      ? { [PRELOAD_ENV.ready]: "app" }
      : {}),
    ...(hold ? { [PRELOAD_ENV.hold]: "1" } : {}),
  };
}

/** A random UUID of the system: node:crypto would take 1.4 MB of the memory of an idle supervisor. */
function randomId(): string {
  return readFileSync("/proc/sys/kernel/random/uuid", "latin1").trim();
}
