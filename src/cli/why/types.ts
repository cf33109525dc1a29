import type { ProcessInfo } from "../../kernel/process-api.ts";
import type { LastExit, ProcessView, ServiceState } from "../../supervisor/api.ts";
import type { Key } from "../../supervisor/config/problems.ts";
import type { ResolvedService } from "../../supervisor/config/resolved.ts";

/** A service as the supervisor reports it, or as the kernel's processes show it while no supervisor runs. */
export interface Observed {
  readonly app: string;
  readonly service: string;
  /** The configuration file of the app, absolute. */
  readonly file: string;
  /** The settings that are in force; missing when they cannot be read. */
  readonly spec?: ResolvedService;
  readonly supervised: boolean;
  readonly wanted: "up" | "down";
  readonly state: ServiceState;
  readonly ready: number;
  readonly replicas: number;
  /** Since when it is in its state. */
  readonly sinceMs?: number;
  readonly restarts: number;
  /** The supervisor's reason. */
  readonly why?: string;
  readonly processes: readonly ProcessView[];
  /** The last ends that the supervisor saw, oldest first. */
  readonly exits: readonly LastExit[];
  /** The generations that the kernel lists, oldest first. */
  readonly runs: readonly ProcessInfo[];
  readonly dependencies: readonly Dependency[];
  /** The next time of its schedule; missing without one. */
  readonly nextRunMs?: number;
}

/** A service that another one depends on. */
export interface Dependency {
  readonly name: string;
  readonly condition: string;
  readonly state: ServiceState;
  readonly isMet: boolean;
}

/** The generation that a diagnosis is about. */
export interface Subject {
  /** `web.1` */
  readonly name: string;
  readonly kernelName?: string;
  readonly state: ProcessView["state"] | "ended";
  readonly pid?: number;
  readonly startedMs?: number;
  readonly endedMs?: number;
  /** The exit code, or the negative number of the signal that ended the process; missing while it runs. */
  readonly exitCode?: number | null;
  /** The supervisor's record of the end. */
  readonly exit?: LastExit;
  readonly nextTryMs?: number;
}

/** Whether the kernel of the system ended a process because memory was short. */
export type OutOfMemory =
  /** The log of the system names the process. */
  | { readonly kind: "killed"; readonly says: string }
  /** The system has ended no process for memory since its boot. */
  | { readonly kind: "none" }
  /** The system has ended some; its log does not name the process, or may not be read. */
  | { readonly kind: "unnamed" | "unknown"; readonly kills: number };

/** The facts about the subject that are read from the system. */
export interface Evidence {
  readonly lines: readonly string[];
  readonly outOfMemory?: OutOfMemory;
  /** Files of the command that do not exist, with the setting that names each. */
  readonly missing: readonly { readonly path: string; readonly keys: readonly Key[] }[];
  /** The listening process on the port that the output names. */
  readonly portOwner?: string;
  /** File systems without room, of those the service or newel writes to. */
  readonly full: readonly string[];
}

/** The kind of a cause; `newel why --json` has it as `cause`. */
export type Cause =
  | "none"
  | "stopped"
  | "starting"
  | "exit"
  | "signal"
  | "killed"
  | "out of memory"
  | "maxMemory"
  | "liveness"
  | "not ready"
  | "missing file"
  | "port taken"
  | "dependency"
  | "disk full"
  | "not started"
  | "not up"
  | "no supervisor";

/** The result for one service. */
export interface Diagnosis {
  readonly app: string;
  readonly service: string;
  /** Whether the service is as it should be. */
  readonly ok: boolean;
  readonly state: ServiceState | "not up";
  readonly ready: number;
  readonly replicas: number;
  readonly sinceMs?: number;
  readonly cause: Cause;
  /** One sentence. */
  readonly what: string;
  /** Further sentences: the reasons, most important first. */
  readonly facts: readonly string[];
  readonly process?: string;
  readonly pid?: number;
  readonly exitCode?: number | null;
  /** When the process ended. */
  readonly endedMs?: number;
  /** The last lines of output of that process. */
  readonly lines: readonly string[];
  /** The settings that govern it, most important first. */
  readonly settings: readonly Setting[];
  /** The command that fixes it; missing when nothing is to be done. */
  readonly fix?: string;
  /** What to do before that command. */
  readonly advice?: string;
}

/** A setting with its place. */
export interface Setting {
  /** `services.web.restart` */
  readonly path: string;
  /** Its value in words; the default where the file does not have it. */
  readonly value: string;
  readonly isDefault: boolean;
  /** Absolute. */
  readonly file: string;
  /** Of the setting, or of the nearest setting around it. */
  readonly line?: number;
}

/** The name of a setting of a service that may govern a failure. */
export type SettingName =
  | "alive"
  | "command"
  | "cwd"
  | "dependsOn"
  | "listen"
  | "maxMemory"
  | "ready"
  | "replicas"
  | "restart"
  | "stop";

/** An explanation before the settings are located. */
export interface Explanation {
  readonly cause: Cause;
  readonly what: string;
  readonly facts: readonly string[];
  readonly settings: readonly SettingName[];
  readonly fix?: string;
  readonly advice?: string;
}

/** The input of a diagnosis. */
export interface Case {
  readonly observed: Observed;
  readonly subject: Subject | undefined;
  readonly evidence: Evidence;
  readonly nowMs: number;
}

/** A problem of newel itself, or of an app as a whole. */
export interface Problem {
  readonly cause: Cause;
  readonly what: string;
  readonly fix?: string;
}
