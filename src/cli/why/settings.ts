import { formatDuration, formatSize } from "../../base/units.ts";
import type { Locate } from "../../supervisor/config/locate.ts";
import { type Key, pathText, shortened } from "../../supervisor/config/problems.ts";
import type {
  ResolvedAlive,
  ResolvedCommand,
  ResolvedService,
} from "../../supervisor/config/resolved.ts";
import { plain } from "../output/output.ts";
import type { Setting, SettingName } from "./types.ts";

/** The file of a service and the search for places in it. */
export interface Source {
  readonly file: string;
  readonly locate: Locate;
}

/** A setting with its value and its place in the configuration. */
export function settingOf(
  name: SettingName,
  spec: ResolvedService,
  { file, locate }: Source,
): Setting {
  const key = name === "command" ? commandKey(spec.command) : name;
  const keys = serviceKeys(spec.name, key);
  const place = locate(keys);
  return {
    path: pathText(keys),
    value: plain(shortened(valueOf(name, spec))),
    isDefault: place !== undefined && place.found < keys.length,
    file,
    ...(place === undefined ? {} : { line: place.line }),
  };
}

/** The job server is configured by `jobs`, every other service below `services`. */
function serviceKeys(service: string, key: string): Key[] {
  return service === "jobs" ? ["jobs", key] : ["services", service, key];
}

function commandKey({ kind }: ResolvedCommand): "node" | "run" {
  return kind === "node" ? "node" : "run";
}

function valueOf(name: SettingName, spec: ResolvedService): string {
  const { command, cwd, dependsOn, listen, ready, replicas, restart, stop } = spec;
  switch (name) {
    case "command":
      return commandText(command);
    case "cwd":
      return cwd;
    case "dependsOn":
      return Object.entries(dependsOn)
        .map(([other, condition]) => `${other}: ${condition}`)
        .join(", ");
    case "listen":
      return listen.map(({ host, port, path }) => path ?? `${host ?? ""}:${port ?? ""}`).join(", ");
    case "ready":
      return readyText(ready);
    case "alive":
      return aliveText(spec.alive);
    case "maxMemory":
      return spec.maxMemoryBytes === undefined ? "none" : formatSize(spec.maxMemoryBytes);
    case "replicas":
      return String(replicas);
    case "restart": {
      const { policy, max, withinMs } = restart;
      if (policy === "never") return policy;
      return `${policy}, at most ${max} restarts within ${formatDuration(withinMs)}`;
    }
    case "stop":
      return `${stop.signal}, SIGKILL after ${formatDuration(stop.graceMs)}`;
  }
}

/** The command in one line, without the path of the Node.js executable. */
function commandText(command: ResolvedCommand): string {
  switch (command.kind) {
    case "node":
      return ["node", ...command.nodeArgs, command.file, ...command.args].join(" ");
    case "exec":
      return command.args.join(" ");
    case "shell":
      return command.line;
  }
}

function readyText({ probe, afterMs, timeoutMs }: ResolvedService["ready"]): string {
  const within = `within ${formatDuration(timeoutMs)}`;
  switch (probe.kind) {
    case "alive":
      return `alive for ${formatDuration(afterMs)}`;
    case "listen":
      return `it listens, ${within}`;
    case "notify":
      return probe.app === true ? `it reports READY=1, ${within}` : `it listens, ${within}`;
    case "pattern":
      return `it prints a line that matches ${probe.pattern}, ${within}`;
    case "command":
      return `${commandWords(probe.command)} ends with 0, ${within}`;
    case "log":
      return `it prints ${JSON.stringify(probe.text)}, ${within}`;
    case "tcp":
      return `${probe.host}:${probe.port} accepts a connection, ${within}`;
    case "http":
      return `GET ${probe.path} is answered with 200 to 399, ${within}`;
  }
}

function aliveText(alive: ResolvedAlive | undefined): string {
  if (alive === undefined) return "none";
  const { probe, intervalMs, threshold } = alive;
  const every = `every ${formatDuration(intervalMs)}, ${threshold} failures in a row`;
  switch (probe.kind) {
    case "command":
      return `${commandWords(probe.command)} ends with 0, ${every}`;
    case "tcp":
      return `${probe.host}:${probe.port} accepts a connection, ${every}`;
    case "http":
      return `GET ${probe.path} is answered with 200 to 399, ${every}`;
  }
}

function commandWords(command: string | readonly string[]): string {
  return typeof command === "string" ? command : command.join(" ");
}
