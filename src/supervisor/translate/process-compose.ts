import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";

import { isRecord } from "../config/leaves.ts";
import type { Key } from "../config/problems.ts";
import {
  type Draft,
  duration,
  Notes,
  serviceNames,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";
import { commandSettings, listenPort, portNumber, readProgram } from "./node-program.ts";
import { boolean, integer, list, nearPath, type Parsed, scalar } from "./parsed.ts";
import { livenessOf, readinessOf, scheduleOf } from "./process-compose-probes.ts";
import {
  PROCESS_CARRIED,
  PROCESS_DROPPED,
  PROCESS_NEEDLESS,
  PROCESS_TOP,
} from "./process-compose-keys.ts";

interface File {
  readonly parsed: Parsed;
  readonly notes: Notes;
  readonly names: ReadonlyMap<string, string>;
}

/** Reads a process-compose.yaml. */
export function translateProcessCompose(parsed: Parsed): Translation {
  const notes = new Notes();
  const top = isRecord(parsed.value) ? parsed.value : {};
  const processes = isRecord(top["processes"]) ? top["processes"] : {};
  const names = serviceNames(Object.keys(processes));
  for (const key of Object.keys(top)) {
    const at = { line: parsed.lineOf([key]), key };
    if (["processes", "environment", "env_file", "is_dotenv_disabled"].includes(key)) continue;
    const [kind, reason] = PROCESS_TOP[key] ?? ["dropped", "newel has nothing like it"];
    notes[kind](at, reason);
  }
  const services = Object.entries(processes).flatMap(([name, value]) =>
    isRecord(value) ? [translateProcess({ parsed, notes, names }, name, value)] : [],
  );
  const env = variables(top["environment"]);
  const hasDotenv =
    boolean(top["is_dotenv_disabled"]) !== true && existsSync(join(parsed.directory, ".env"));
  const files = [...(hasDotenv ? [".env"] : []), ...list(top["env_file"])];
  return {
    tool: "process-compose",
    file: parsed.file,
    app: {
      envFile: files.length === 0 ? undefined : files.length === 1 ? files[0] : files,
      env: Object.keys(env).length === 0 ? undefined : env,
    },
    services,
    notes: notes.list,
  };
}

/** A map, or a list of `NAME=value`. */
function variables(given: unknown): Settings {
  const pairs = isRecord(given)
    ? Object.entries(given).map(([name, value]) => [name, scalar(value) ?? ""] as const)
    : list(given).map((text) => {
        const at = text.indexOf("=");
        return [
          text.slice(0, at === -1 ? undefined : at),
          at === -1 ? "" : text.slice(at + 1),
        ] as const;
      });
  return Object.fromEntries(pairs);
}

function translateProcess(
  file: File,
  name: string,
  value: Readonly<Record<string, unknown>>,
): Draft {
  const { parsed, notes, names } = file;
  const service = names.get(name) ?? name;
  const keys = (...more: Key[]): Key[] => ["processes", name, ...more];
  const at = (key: string): { line: number | undefined; service: string; key: string } => ({
    line: parsed.lineOf(keys(...key.split("."))),
    service,
    key,
  });
  for (const key of Object.keys(value)) {
    if (PROCESS_CARRIED.has(key)) continue;
    if (Object.hasOwn(PROCESS_NEEDLESS, key)) notes.needless(at(key), PROCESS_NEEDLESS[key] ?? "");
    else notes.dropped(at(key), PROCESS_DROPPED[key] ?? "newel has nothing like it");
  }
  const cwd = resolve(parsed.directory, scalar(value["working_dir"]) ?? ".");
  const entrypoint = list(value["entrypoint"]);
  const line = (scalar(value["command"]) ?? "").replaceAll("${PC_REPLICA_NUM}", "$$(replica)");
  const command = line === "" ? entrypoint : line;
  const env = variables(value["environment"]);
  const program = readProgram(command, cwd, parsed.environment["PATH"]);
  const probe = readinessOf(value, (reason) => notes.dropped(at("readiness_probe"), reason));
  const asked = /:(\d+)/.exec(scalar(probe?.["http"]) ?? "")?.[1];
  const listen = listenPort(program, portNumber(env["PORT"]) ?? portNumber(asked));
  const ready =
    listen !== undefined && asked === String(listen)
      ? { ...probe, http: URL.parse(scalar(probe?.["http"]) ?? "")?.pathname ?? "/" }
      : probe;
  const files = list(value["env_file"]);
  const schedule = scheduleOf(value["schedule"], (key, reason) =>
    notes.dropped(at(`schedule.${key}`), reason),
  );
  return {
    name: service,
    line: parsed.lineOf(keys()),
    settings: {
      ...commandSettings(command),
      cwd: nearPath(parsed.directory, cwd),
      listen,
      replicas: integer(value["replicas"]) === 1 ? undefined : integer(value["replicas"]),
      envFile: files.length === 0 ? undefined : files.length === 1 ? files[0] : files,
      env: Object.keys(env).length === 0 ? undefined : env,
      dependsOn: dependsOn(value["depends_on"], names),
      ready,
      alive: livenessOf(value, (reason) => notes.dropped(at("liveness_probe"), reason)),
      schedule,
      stop: stopOf(value["shutdown"], (key, reason) =>
        notes.dropped(at(`shutdown.${key}`), reason),
      ),
      restart: restartOf(value["availability"], schedule !== undefined, (key, reason) =>
        notes.dropped(at(`availability.${key}`), reason),
      ),
      enabled: boolean(value["disabled"]) === true ? false : undefined,
    },
  };
}

const CONDITIONS: Readonly<Record<string, string>> = {
  process_started: "started",
  process_healthy: "ready",
  process_log_ready: "ready",
  process_completed: "completed",
  process_completed_successfully: "completed",
};

function dependsOn(given: unknown, names: ReadonlyMap<string, string>): Setting {
  if (!isRecord(given)) return undefined;
  const entries = Object.entries(given).flatMap(([name, value]) => {
    const service = names.get(name);
    const condition = isRecord(value) ? scalar(value["condition"]) : undefined;
    return service === undefined
      ? []
      : [[service, CONDITIONS[condition ?? "process_started"] ?? "started"] as const];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function stopOf(given: unknown, drop: (key: string, reason: string) => void): Setting {
  if (!isRecord(given)) return undefined;
  const number = integer(given["signal"]);
  const signal = Object.entries(constants.signals).find(([, each]) => each === number)?.[0];
  const seconds = integer(given["timeout_seconds"]);
  if (given["command"] !== undefined) drop("command", "newel stops processes by a signal");
  const stop = {
    ...(signal === undefined || signal === "SIGTERM" ? {} : { signal }),
    ...(seconds === undefined ? {} : { grace: duration(seconds * 1000) }),
    ...(boolean(given["parent_only"]) === true ? { scope: "main" } : {}),
  };
  return Object.keys(stop).length === 0 ? undefined : stop;
}

/** Without a policy, process-compose starts no process again. */
function restartOf(
  given: unknown,
  isScheduled: boolean,
  drop: (key: string, reason: string) => void,
): Setting {
  const availability = isRecord(given) ? given : {};
  for (const key of ["exit_on_end", "exit_on_skipped"])
    if (boolean(availability[key]) === true) drop(key, "the end of a service stops no other one");
  const word = scalar(availability["restart"]) ?? "no";
  if (word === "exit_on_failure") drop("restart", "the end of a service stops no other one");
  const policy =
    word === "always" && !isScheduled ? undefined : word === "on_failure" ? "on-failure" : "never";
  const max = integer(availability["max_restarts"]);
  const wait = integer(availability["backoff_seconds"]);
  if (policy === "never") return isScheduled ? undefined : policy;
  const rest = {
    ...(max === undefined || max < 1 ? {} : { max }),
    ...(wait === undefined || wait < 1
      ? {}
      : { backoff: { min: duration(wait * 1000), max: duration(wait * 1000) } }),
  };
  if (Object.keys(rest).length === 0) return policy;
  return { ...(policy === undefined ? {} : { policy }), ...rest };
}
