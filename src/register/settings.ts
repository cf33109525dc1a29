import { constants } from "node:os";

import { PRELOAD_ENV, type ListenTarget } from "../base/preload.ts";

import { loadCluster } from "./builtins.ts";
import { report } from "./report.ts";

const DEFAULT_GRACE_MS = 10_000;
const DEFAULT_LINGER_MS = 1_000;
/** systemd's names; they describe descriptors of this process alone. */
const LISTEN_ENV = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"] as const;

/** A {@link ListenTarget} with the descriptor it came on; none when its name was not passed. */
export interface Target extends ListenTarget {
  readonly fd: number | undefined;
}

/** What the supervisor asked of this process. */
export interface Settings {
  readonly targets: readonly Target[];
  readonly notifyFd: number | undefined;
  readonly hold: boolean;
  /** Path of the control socket. */
  readonly control: string | undefined;
  readonly stopSignal: NodeJS.Signals;
  readonly graceMs: number;
  readonly lingerMs: number;
}

/**
 * Reads what the supervisor asked and removes it from the environment, so that a child of the app
 * never takes it for its own.
 *
 * The notify descriptor alone asks for nothing; where there is no listen target its variable stays,
 * since the app itself may write `READY=1` to it.
 *
 * @returns `undefined` when this process does not run under the supervisor
 */
export function takeSettings(environment: NodeJS.ProcessEnv): Settings | undefined {
  const asked = [
    PRELOAD_ENV.listen,
    PRELOAD_ENV.hold,
    PRELOAD_ENV.control,
    PRELOAD_ENV.stopSignal,
    PRELOAD_ENV.graceMs,
    PRELOAD_ENV.lingerMs,
  ];
  const isAsked = asked.some((name) => environment[name] !== undefined);
  if (!isAsked && !isClusterWorker(environment)) return undefined;

  const settings: Settings = {
    targets: readTargets(environment[PRELOAD_ENV.listen], environment["LISTEN_FDNAMES"]),
    notifyFd: readNumber(environment[PRELOAD_ENV.notifyFd]),
    hold: environment[PRELOAD_ENV.hold] === "1",
    control: environment[PRELOAD_ENV.control] || undefined,
    stopSignal: readSignal(environment[PRELOAD_ENV.stopSignal]),
    graceMs: readNumber(environment[PRELOAD_ENV.graceMs]) ?? DEFAULT_GRACE_MS,
    lingerMs: readNumber(environment[PRELOAD_ENV.lingerMs]) ?? DEFAULT_LINGER_MS,
  };
  for (const name of [...asked, ...LISTEN_ENV]) delete environment[name];
  if (settings.targets.length > 0) delete environment[PRELOAD_ENV.notifyFd];
  return settings;
}

// Its primary runs under the supervisor, and its share of that is the drain.
function isClusterWorker(environment: NodeJS.ProcessEnv): boolean {
  if (environment[PRELOAD_ENV.process] === undefined) return false;
  return process.send !== undefined && loadCluster().isWorker;
}

function readTargets(text: string | undefined, names: string | undefined): Target[] {
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
    return [{ ...target, fd: index < 0 ? undefined : 3 + index }];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is one of the ways not to be a list; the caller says so.
    return undefined;
  }
}

function readTarget(entry: unknown): ListenTarget | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { name, port, path }: { name?: unknown; port?: unknown; path?: unknown } = entry;
  if (typeof name !== "string") return undefined;
  if (typeof port === "number" && Number.isInteger(port) && port > 0) return { name, port };
  return typeof path === "string" && path !== "" ? { name, path } : undefined;
}

function readNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function readSignal(text: string | undefined): NodeJS.Signals {
  if (text === undefined || text === "") return "SIGTERM";
  const catchable = Object.hasOwn(constants.signals, text) && !/^SIG(KILL|STOP)$/.test(text);
  if (catchable) return text as NodeJS.Signals;
  report(`${PRELOAD_ENV.stopSignal} is ${JSON.stringify(text)}, no signal to catch; using SIGTERM`);
  return "SIGTERM";
}
