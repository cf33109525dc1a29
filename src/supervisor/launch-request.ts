import { randomUUID } from "node:crypto";

import { preloadPath } from "../base/modules.ts";
import { withPreload } from "../base/node-options.ts";
import { type ListenTarget, PRELOAD_ENV } from "../base/preload.ts";
import type { ProcessRequest } from "../kernel/api.ts";
import { processEnvironment } from "./config/environment.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { formatRunName, type RunName, shownName, socketName } from "./process-names.ts";

/** Whether a service's processes can be held back from accepting: only the preload can do that. */
export function canHold(spec: ResolvedService): boolean {
  return spec.command.kind === "node" && spec.listen.length > 0;
}

/** Settings of one start that are not part of the service's configuration. */
export interface LaunchOptions {
  /** Listen, but accept nothing until the supervisor asks for it. */
  readonly hold: boolean;
  /** Path of the control socket that the preload opens. */
  readonly controlPath: string;
  /** The supervisor's own home directory, absolute. */
  readonly home: string;
}

/** The kernel's request for one generation of one replica of a service. */
export function launchRequest(
  spec: ResolvedService,
  run: RunName,
  options: LaunchOptions,
): ProcessRequest {
  const { command } = spec;
  return {
    name: formatRunName(run),
    ...commandOf(command),
    env: {
      // Singletons, jobs and kernel clients in the service use this home, unless its own
      // configuration names another one.
      NEWEL_HOME: options.home,
      ...processEnvironment(spec),
      [PRELOAD_ENV.process]: shownName(run),
      [PRELOAD_ENV.mark]: randomUUID(),
      ...(command.kind === "node" ? preloadEnvironment(spec, options) : {}),
    },
    workingDir: spec.cwd,
    bufsize: spec.logs.bufsizeBytes,
    stderr: spec.logs.stderr === "stdout" ? "stdout" : true,
    sockets: spec.listen.map((socket) => socketName(run.app, socket)),
    // Programs that are not ours may check LISTEN_PID, as systemd's protocol says.
    listenPid: command.kind !== "node" && spec.listen.length > 0,
    notify: true,
    ...(spec.umask === undefined ? {} : { umask: spec.umask }),
  };
}

function commandOf(command: ResolvedService["command"]): Pick<ProcessRequest, "args" | "shell"> {
  switch (command.kind) {
    case "node":
      return {
        args: [command.nodePath, ...command.nodeArgs, command.file, ...command.args],
      };
    case "exec":
      return { args: [command.program ?? command.args[0] ?? "", ...command.args.slice(1)] };
    case "shell":
      return { args: [command.line], shell: true };
  }
}

function preloadEnvironment(
  spec: ResolvedService,
  { hold, controlPath }: LaunchOptions,
): Record<string, string> {
  const targets = spec.listen.map(({ name, port, path }): ListenTarget => ({
    name,
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
  }));
  return {
    NODE_OPTIONS: withPreload(spec.env["NODE_OPTIONS"], preloadPath()),
    [PRELOAD_ENV.listen]: JSON.stringify(targets),
    [PRELOAD_ENV.control]: controlPath,
    [PRELOAD_ENV.stopSignal]: spec.stop.signal,
    [PRELOAD_ENV.graceMs]: String(spec.stop.graceMs),
    [PRELOAD_ENV.lingerMs]: String(spec.stop.lingerMs),
    ...(hold ? { [PRELOAD_ENV.hold]: "1" } : {}),
  };
}
