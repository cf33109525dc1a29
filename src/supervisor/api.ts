import type { ResolvedConfig } from "./config/resolved.ts";
import type { Move } from "./config/running.ts";

/**
 * What the supervisor answers, as types: the server implements it, the wire carries it, the command
 * line shows it. Everything is plain data; times are milliseconds since the epoch.
 */

/** The actual state of a service or of one of its processes. Whether it is ready is another matter. */
export type ServiceState =
  | "stopped"
  | "starting"
  | "running"
  | "stopping"
  | "backoff"
  | "failed"
  /** It ended with exit code 0, and its restart policy wants no other process. */
  | "completed";

/** How a process ended. A signal is negative; `null`: nobody could learn it. */
export interface LastExit {
  readonly process: string;
  readonly pid: number;
  readonly atMs: number;
  readonly exitCode: number | null;
  /** Whether newel asked for it. */
  readonly asked: boolean;
}

/** One running copy of a service: `web.1`. */
export interface ProcessView {
  /** As people say it: `web.1`. */
  readonly name: string;
  /** The kernel's name of this run of it; its output is kept under that name. */
  readonly kernelName: string;
  readonly pid?: number;
  /** Every living process of it: the process itself and its descendants. */
  readonly pids?: readonly number[];
  /** `left`: the process has ended, and processes that it started live; `pids` are these. */
  readonly state: ServiceState | "left";
  readonly ready: boolean;
  readonly startedMs?: number;
  readonly memoryBytes?: number;
  /** Of one core, since the last time it was asked for, in percent. */
  readonly cpuPercent?: number;
  /** When it is in backoff: the time of the next try. */
  readonly nextTryMs?: number;
}

/** A service as `newel ps` lists it. */
export interface ServiceView {
  readonly app: string;
  readonly name: string;
  readonly wanted: "up" | "down";
  readonly state: ServiceState;
  /** Processes that are ready, of those wanted. */
  readonly ready: number;
  readonly replicas: number;
  /** Since when it is in its state. */
  readonly sinceMs: number;
  /** Restarts nobody asked for, since it was started. */
  readonly restarts: number;
  readonly lastRestartMs?: number;
  /** What it listens on: `127.0.0.1:3000`. */
  readonly listen: readonly string[];
  readonly processes: readonly ProcessView[];
  /** Why it is in backoff or failed, or what a reload that was stopped said. */
  readonly why?: string;
}

/** A service in detail, as `newel show` prints it. */
export interface ServiceDetail extends ServiceView {
  readonly file: string;
  readonly command: string;
  readonly cwd: string;
  /** Names alone: values may be secret. */
  readonly envKeys: readonly string[];
  readonly restartPolicy: string;
  readonly readiness: string;
  readonly stop: string;
  readonly dependsOn: Readonly<Record<string, string>>;
  readonly lastExits: readonly LastExit[];
  readonly lastLines: readonly string[];
}

/** What `up` would do to one service, and why. */
export interface PlannedChange {
  readonly service: string;
  readonly change: "start" | "reload" | "scale" | "update" | "stop" | "none";
  /** `replicas 2 → 4`, `env.PORT changed`; never a value of the environment. */
  readonly reasons: readonly string[];
  /** What is done, in order: `start web.3`, `wait until web.3 is ready`, `drain web.1`. */
  readonly steps: readonly string[];
}

/** What `up` would do to an app. */
export interface UpPlan {
  /** The app runs from another file now. */
  readonly move?: Move;
  readonly changes: readonly PlannedChange[];
}

/** How `up` is meant. */
export interface UpOptions {
  /** Return when everything is ready; otherwise at once. */
  readonly wait: boolean;
  /** Replace the app of the same name even if it has no service in common. Default false. */
  readonly move?: boolean;
}

/** An app that is up. */
export interface AppView {
  readonly name: string;
  /** Its configuration file, absolute. */
  readonly file: string;
}

/** What happens while a verb is carried out, in the order it happens. */
export type Progress =
  | {
      /** Something about the app as a whole. */
      readonly type: "note";
      readonly text: string;
    }
  | {
      readonly type: "step";
      readonly service: string;
      readonly process?: string;
      readonly text: string;
    }
  | {
      /** Processes that had to be killed because they outlived the stop. */
      readonly type: "killed";
      readonly service: string;
      readonly process: string;
      readonly killed: readonly { readonly pid: number; readonly command: string }[];
    }
  | {
      readonly type: "failed";
      readonly service: string;
      readonly process?: string;
      readonly code: string;
      readonly message: string;
      readonly fix: string;
      /** The last 20 lines the process printed. */
      readonly lines: readonly string[];
    }
  | { readonly type: "end"; readonly ok: boolean; readonly changed: boolean };

export interface Hello {
  readonly pid: number;
  readonly version: string;
  readonly home: string;
  readonly apps: readonly string[];
}

/** Which services a verb is for: `web`, `web.1`, `shop/web`, `web*`; none: all of the app. */
export interface Target {
  /** The app of the caller's configuration, to tell services of the same name apart. */
  readonly app?: string;
  readonly names: readonly string[];
}

/** `scale web=3`, `scale web=+1`. */
export interface ScaleRequest {
  readonly service: string;
  readonly replicas: number;
  /** Add to the present number instead of setting it. */
  readonly relative: boolean;
}

/** A change of state, as `newel events` and the dashboard get it. */
export interface SupervisorEvent {
  readonly seq: number;
  readonly timeMs: number;
  readonly app: string;
  readonly service: string;
  readonly process?: string;
  readonly state: ServiceState;
  readonly ready: boolean;
  readonly why?: string;
}

/** A build of the supervisor. */
export interface SupervisorBuild {
  /** Path of the Node.js executable. */
  readonly node: string;
  /** Path of its main module. */
  readonly program: string;
}

/** The supervisor's verbs. Each stream of progress ends with one `end`. */
export interface SupervisorApi {
  hello(): Promise<Hello>;
  /** The apps that are up. */
  apps(): Promise<readonly AppView[]>;
  /** What a configuration says that its app does not have yet: `web: env.PORT changed`; none if it is not up. */
  pending(config: ResolvedConfig): Promise<readonly string[]>;
  /** What `up` would do; nothing is touched. */
  plan(config: ResolvedConfig, options?: { readonly move?: boolean }): Promise<UpPlan>;
  up(config: ResolvedConfig, options: UpOptions): AsyncIterable<Progress>;
  /** Stops an app's services and forgets it, its sockets too; without an app, all of them. */
  down(app: string | undefined): AsyncIterable<Progress>;
  start(target: Target): AsyncIterable<Progress>;
  /** `now`: SIGKILL without the grace, for a stop under way too. Default false. */
  stop(target: Target, options?: { readonly now?: boolean }): AsyncIterable<Progress>;
  restart(target: Target): AsyncIterable<Progress>;
  reload(target: Target): AsyncIterable<Progress>;
  scale(requests: readonly ScaleRequest[], app: string | undefined): AsyncIterable<Progress>;
  list(target: Target): Promise<readonly ServiceView[]>;
  show(target: Target): Promise<readonly ServiceDetail[]>;
  signal(
    target: Target,
    signal: string,
    group: boolean,
  ): Promise<readonly { readonly pid: number; readonly command: string }[]>;
  events(): AsyncIterable<SupervisorEvent>;
  /** Ends the supervisor; services run on. */
  quit(): Promise<void>;
  /**
   * Replaces the supervisor's program by a build, in the same process; services run on. The caller has tried
   * that the build loads.
   */
  upgrade(build: SupervisorBuild): Promise<void>;
}
