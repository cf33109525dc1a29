import { loadCluster, loadOs } from "../base/builtins.ts";
import { isMember } from "../base/listening.ts";
import { PRELOAD_ENV, type ListenTarget } from "../base/preload.ts";

import { report } from "./report.ts";

const DEFAULT_GRACE_MS = 10_000;
const DEFAULT_LINGER_MS = 1_000;
/** systemd's names; they describe descriptors of this process only. */
const LISTEN_ENV = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"] as const;

/** A {@link ListenTarget} with its descriptor; without one when its name was not passed. */
export interface Target extends ListenTarget {
  readonly fd: number | undefined;
  /** The descriptors among which the supervisor chooses, by name; empty where the target does not follow. */
  readonly members: ReadonlyMap<string, number>;
}

/**
 * The role of a process in its service:
 * - `entry`: the program of a `node:` service. It drains on the stop signal, even without a declared address.
 * - `candidate`: any other process of a service with `listen`, such as npm and the app below it. It runs as
 *   without newel until it listens on a declared address; the first one that does becomes the server.
 * - `worker`: a worker of node:cluster, which drains; its primary listens.
 */
type Role = "entry" | "candidate" | "worker";

/** The supervisor's settings for this process. */
export interface Settings {
  readonly role: Role;
  readonly targets: readonly Target[];
  readonly notifyFd: number | undefined;
  /** The app writes READY=1, or sends `"ready"`. */
  readonly appSaysReady: boolean;
  readonly hold: boolean;
  /** The beginning of the path of the control socket. */
  readonly control: string | undefined;
  /** Identifies the replica. */
  readonly mark: string | undefined;
  readonly stopSignal: NodeJS.Signals;
  readonly graceMs: number;
  readonly lingerMs: number;
  /** The variables of newel, for children of this process. */
  readonly variables: Readonly<Record<string, string>>;
}

const ASKED = [
  PRELOAD_ENV.listen,
  PRELOAD_ENV.hold,
  PRELOAD_ENV.control,
  PRELOAD_ENV.entry,
  PRELOAD_ENV.ready,
  PRELOAD_ENV.firstFd,
  PRELOAD_ENV.stopSignal,
  PRELOAD_ENV.graceMs,
  PRELOAD_ENV.lingerMs,
] as const;

/** The variables that children with the preload get. */
export const STOP_VARIABLES: readonly string[] = [
  PRELOAD_ENV.stopSignal,
  PRELOAD_ENV.graceMs,
  PRELOAD_ENV.lingerMs,
];

/**
 * Reads the supervisor's settings and removes them from the environment, so that the app sees no variable of
 * them; children get them again from {@link Settings.variables}.
 *
 * The notify descriptor alone is not a setting; its variable stays where the app itself may write `READY=1`
 * to it. The variables of systemd's protocol stay for a candidate, until it listens.
 *
 * @returns `undefined` when the preload has no task in this process
 */
export function takeSettings(environment: NodeJS.ProcessEnv): Settings | undefined {
  const role = roleOf(environment);
  if (role === undefined) return undefined;
  const targets =
    role === "worker"
      ? []
      : readTargets(
          environment[PRELOAD_ENV.listen],
          environment["LISTEN_FDNAMES"],
          readNumber(environment[PRELOAD_ENV.firstFd]) ?? 3,
        );
  const settings: Settings = {
    role,
    targets,
    notifyFd: readNumber(environment[PRELOAD_ENV.notifyFd]),
    appSaysReady: environment[PRELOAD_ENV.ready] === "app",
    hold: environment[PRELOAD_ENV.hold] === "1",
    control: environment[PRELOAD_ENV.control] || undefined,
    mark: environment[PRELOAD_ENV.mark] || undefined,
    stopSignal: readSignal(environment[PRELOAD_ENV.stopSignal]),
    graceMs: readNumber(environment[PRELOAD_ENV.graceMs]) ?? DEFAULT_GRACE_MS,
    lingerMs: readNumber(environment[PRELOAD_ENV.lingerMs]) ?? DEFAULT_LINGER_MS,
    variables: Object.fromEntries(
      ASKED.flatMap((name) => {
        const value = environment[name];
        return value === undefined || name === PRELOAD_ENV.entry ? [] : [[name, value]];
      }),
    ),
  };
  for (const name of ASKED) delete environment[name];
  if (role !== "candidate") hideDescriptors(environment, settings);
  return settings;
}

/** Removes the variables that name descriptors, because the descriptors belong to the preload. */
export function hideDescriptors(environment: NodeJS.ProcessEnv, settings: Settings): void {
  for (const name of LISTEN_ENV) delete environment[name];
  if (settings.targets.length > 0 && !settings.appSaysReady)
    delete environment[PRELOAD_ENV.notifyFd];
}

function roleOf(environment: NodeJS.ProcessEnv): Role | undefined {
  if (environment[PRELOAD_ENV.process] === undefined) return undefined;
  // The primary of a worker runs under the supervisor; the worker only drains.
  if (process.send !== undefined && loadCluster().isWorker) return "worker";
  if (environment[PRELOAD_ENV.entry] === "1") return "entry";
  return environment[PRELOAD_ENV.listen] === undefined ? undefined : "candidate";
}

function readTargets(
  text: string | undefined,
  names: string | undefined,
  firstFd: number,
): Target[] {
  if (text === undefined || text === "") return [];
  const passed = names === undefined ? [] : names.split(":");
  const parsed = parseJson(text);
  if (!Array.isArray(parsed)) {
    report(`${PRELOAD_ENV.listen} is no list; listen() stays as it is`);
    return [];
  }
  return parsed.flatMap((entry: unknown) => {
    const target = readTarget(entry);
    if (target === undefined) {
      report(`${PRELOAD_ENV.listen} has an entry that is no listen target; it is left out`);
      return [];
    }
    const index = passed.indexOf(target.name);
    const members = passed.flatMap((name, at): [string, number][] =>
      target.follows === true && isMember(name, target.name) ? [[name, firstFd + at]] : [],
    );
    return [{ ...target, fd: index < 0 ? undefined : firstFd + index, members: new Map(members) }];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Invalid JSON is one of the ways not to be a list; the caller reports it.
    return undefined;
  }
}

function readTarget(entry: unknown): ListenTarget | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const fields: Readonly<
    Partial<Record<"name" | "port" | "path" | "follows" | "backlog", unknown>>
  > = entry;
  const { name, port, path, follows } = fields;
  const backlog = typeof fields.backlog === "number" ? { backlog: fields.backlog } : {};
  if (typeof name !== "string") return undefined;
  if (typeof port === "number" && Number.isInteger(port) && port > 0) {
    return follows === true ? { name, port, follows, ...backlog } : { name, port, ...backlog };
  }
  return typeof path === "string" && path !== "" ? { name, path, ...backlog } : undefined;
}

function readNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function readSignal(text: string | undefined): NodeJS.Signals {
  if (text === undefined || text === "" || text === "SIGTERM") return "SIGTERM";
  const { constants } = loadOs();
  const catchable = Object.hasOwn(constants.signals, text) && !/^SIG(KILL|STOP)$/.test(text);
  if (catchable) return text as NodeJS.Signals;
  report(`${PRELOAD_ENV.stopSignal} is ${JSON.stringify(text)}, no signal to catch; using SIGTERM`);
  return "SIGTERM";
}
