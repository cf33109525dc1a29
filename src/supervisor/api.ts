import type { ResolvedConfig } from "./config/resolved.ts";
import type { Move } from "./config/running.ts";

/**
 * The types of the supervisor's answers: the server implements them, the wire carries them, the command
 * line shows them. Everything is plain data; times are milliseconds since the epoch.
 */

/** The actual state of a service or of one of its processes. Whether it is ready is another matter. */
export type ServiceState =
  | "stopped"
  | "starting"
  | "running"
  | "stopping"
  | "backoff"
  | "failed"
  /** It ended with exit code 0, and its restart policy starts no further process. */
  | "completed";

/** The end of a process. */
export interface LastExit {
  /** The name of the replica: `web.1`. */
  readonly process: string;
  /** The process id it had. */
  readonly pid: number;
  /** When it ended. */
  readonly atMs: number;
  /** The exit code; the negative number of the signal that ended the process (-9); `null` when unknown. */
  readonly exitCode: number | null;
  /** Whether newel requested the end. */
  readonly asked: boolean;
  /** The kernel's name of the generation; its output is kept under that name. */
  readonly kernelName?: string;
  /** Why it failed, as the rest of a sentence that begins with its name; missing where a command stopped it. */
  readonly why?: string;
  /** Why newel stopped it; missing where it ended by itself. */
  readonly reason?: ExitReason;
}

/**
 * Why newel stopped a replica: a command, a late readiness, too many replicas, failed liveness checks, or more memory
 * than `maxMemory`.
 */
export type ExitReason = "command" | "late" | "excess" | "liveness" | "memory";

/** One replica of a service: `web.1`. */
export interface ProcessView {
  /** The name for the operator: `web.1`. */
  readonly name: string;
  /** The kernel's name of this generation; its output is kept under that name. */
  readonly kernelName: string;
  /** The process id; missing while none runs. */
  readonly pid?: number;
  /** The pids of the process and its living descendants. */
  readonly pids?: readonly number[];
  /**
   * The state; `left` means that the process has ended, but processes that it started still run: `pids` lists
   * them.
   */
  readonly state: ServiceState | "left";
  /** Whether it is ready. */
  readonly ready: boolean;
  /** When it was started; missing while none runs. */
  readonly startedMs?: number;
  /** The memory of all its processes, in bytes; missing when it is not known. */
  readonly memoryBytes?: number;
  /** The processor time since the previous call, in percent of one core. */
  readonly cpuPercent?: number;
  /** When it is in backoff: the time of the next try. */
  readonly nextTryMs?: number;
}

/** A service as `newel ps` lists it. */
export interface ServiceView {
  /** The name of its app. */
  readonly app: string;
  /** The name of the service. */
  readonly name: string;
  /** The state that the operator requested. */
  readonly wanted: "up" | "down";
  /** The actual state. */
  readonly state: ServiceState;
  /** Processes that are ready, of those wanted. */
  readonly ready: number;
  /** The number of processes wanted. */
  readonly replicas: number;
  /** Since when it is in its state. */
  readonly sinceMs: number;
  /** Automatic restarts since the service was started. */
  readonly restarts: number;
  /** When the last of these restarts was; missing when there was none. */
  readonly lastRestartMs?: number;
  /** The addresses on which the service listens: `127.0.0.1:3000`. */
  readonly listen: readonly string[];
  /** Its replicas, by their numbers. */
  readonly processes: readonly ProcessView[];
  /** Words by which commands mean it with others: `@backend`. */
  readonly tags?: readonly string[];
  /** Its `schedule` or `restart.cron`, while it is wanted. */
  readonly scheduled?: ScheduledView;
  /** The reason for backoff or failure, or the message of a reload that was stopped. */
  readonly why?: string;
}

/** The times of a service. */
export interface ScheduledView {
  /** What happens at each time: a run of work that ends, or a reload. */
  readonly does: "run" | "reload";
  /** The cron expression. */
  readonly cron: string;
  /** The time zone of `cron`; missing for that of the supervisor. */
  readonly tz?: string;
  /** The next time. */
  readonly nextMs: number;
}

/** A service in detail, as `newel show` prints it. */
export interface ServiceDetail extends ServiceView {
  /** The configuration file, absolute. */
  readonly file: string;
  /** The command line of a replica. */
  readonly command: string;
  /** The working directory, absolute. */
  readonly cwd: string;
  /** Names alone: values may be secret. */
  readonly envKeys: readonly string[];
  /** The restart policy, in words. */
  readonly restartPolicy: string;
  /** The condition for being ready, in words. */
  readonly readiness: string;
  /** How it is stopped, in words. */
  readonly stop: string;
  /** The services it waits for, with the condition. */
  readonly dependsOn: Readonly<Record<string, string>>;
  /** The last exits, the newest last. */
  readonly lastExits: readonly LastExit[];
  /** The last lines of its output. */
  readonly lastLines: readonly string[];
}

/** The plan of `up` for one service, with the reasons. */
export interface PlannedChange {
  /** The name of the service. */
  readonly service: string;
  /** The kind of the change; `update` starts no process. */
  readonly change: "start" | "reload" | "scale" | "update" | "stop" | "none";
  /** `replicas 2 → 4`, `env.PORT changed`; never a value of the environment. */
  readonly reasons: readonly string[];
  /** The steps, in order: `start web.3`, `wait until web.3 is ready`, `drain web.1`. */
  readonly steps: readonly string[];
}

/** The plan of `up` for an app. */
export interface UpPlan {
  /** The app runs from another file now. */
  readonly move?: Move;
  readonly changes: readonly PlannedChange[];
}

/** The options of `up`. */
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
  /** The profiles it was brought up with; missing without any. */
  readonly profiles?: readonly string[];
}

/** The events of a verb that is carried out, in their order. */
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

/** The pid, version, home and apps of a supervisor. */
export interface Hello {
  /** The process id of the supervisor. */
  readonly pid: number;
  /** The version of newel that the supervisor runs. */
  readonly version: string;
  /** The home directory. */
  readonly home: string;
  /** The names of the apps that are up. */
  readonly apps: readonly string[];
  /** The last `up` of each app, where it failed. */
  readonly failedUps?: readonly FailedUp[];
}

/** The last `up` of an app, which failed. */
export interface FailedUp {
  readonly app: string;
  readonly timeMs: number;
  readonly why: string;
  /** Whether its caller waited, and so got the error. */
  readonly waited?: boolean;
  /** The configuration file, absolute. */
  readonly file?: string;
  /** The failure of each service that failed. */
  readonly failures?: readonly Extract<Progress, { type: "failed" }>[];
}

/** Which services a verb is for: `web`, `web.1`, `shop/web`, `web*`; none: all of the app. */
export interface Target {
  /** The app of the caller's configuration: a name without its app means a service of that app alone. */
  readonly app?: string;
  /** The services or replicas; none: all services of the app. */
  readonly names: readonly string[];
}

/** `scale web=3`, `scale web=+1`. */
export interface ScaleRequest {
  /** The name of the service. */
  readonly service: string;
  /** The number of replicas, or how many to add. */
  readonly replicas: number;
  /** Add to the present number instead of setting it. */
  readonly relative: boolean;
}

/** A change of state, as `newel events` and the dashboard get it. */
export interface SupervisorEvent {
  /** Grows by one with each event of this supervisor. */
  readonly seq: number;
  /** When it happened. */
  readonly timeMs: number;
  /** The name of the app. */
  readonly app: string;
  /** The name of the service. */
  readonly service: string;
  /** The name of the replica, `web.1`; missing for an event of the whole service. */
  readonly process?: string;
  /** The state after the event. */
  readonly state: ServiceState;
  /** Whether it is ready after the event. */
  readonly ready: boolean;
  /** The reason, where there is one. */
  readonly why?: string;
  /** Something that is no change of state: a time of its schedule at which it begins, or does not. */
  readonly note?: string;
}

/** The counts of a histogram. */
export interface MetricHistogram {
  /** How many values were at most `upTo`, by growing bounds; the counts of smaller bounds are in them. */
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[];
  /** How many values there were. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
}

/** One value of a metric. */
export interface MetricSample {
  /** The labels by name, in the order in which they are printed. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram: its count. */
  readonly value: number;
  /** Of a histogram alone. */
  readonly histogram?: MetricHistogram;
}

/** A metric with its values; docs/reference/metrics.md lists all of them. */
export interface MetricFamily {
  /** Without the `_total` of the samples of a counter and the `_info` of an info. */
  readonly name: string;
  /** `info`: a constant 1 whose labels are the information. */
  readonly type: "counter" | "gauge" | "histogram" | "info";
  /** Missing for a plain number. */
  readonly unit?: "seconds" | "bytes" | "ratio";
  /** The meaning in one sentence. */
  readonly help: string;
  /** At least one. */
  readonly samples: readonly MetricSample[];
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
  /** The first call of a client: which supervisor it is. */
  hello(): Promise<Hello>;
  /** The apps that are up. */
  apps(): Promise<readonly AppView[]>;
  /** The changes of a configuration that its app does not have yet: `web: env.PORT changed`; none if it is not up. */
  pending(config: ResolvedConfig): Promise<readonly string[]>;
  /** The plan of `up`; nothing is changed. */
  plan(config: ResolvedConfig, options?: { readonly move?: boolean }): Promise<UpPlan>;
  /** Changes an app to the state of a configuration. A failed change is undone. */
  up(config: ResolvedConfig, options: UpOptions): AsyncIterable<Progress>;
  /**
   * Stops an app's services and forgets it, its sockets too; without an app, all of them. `now`: SIGKILL
   * without the grace, for a stop under way too. Default false.
   */
  down(app: string | undefined, options?: { readonly now?: boolean }): AsyncIterable<Progress>;
  /** Starts services that are stopped or failed. */
  start(target: Target): AsyncIterable<Progress>;
  /** `now`: SIGKILL without the grace, for a stop under way too. Default false. */
  stop(target: Target, options?: { readonly now?: boolean }): AsyncIterable<Progress>;
  /** Stops services and starts them again. */
  restart(target: Target): AsyncIterable<Progress>;
  /** Replaces the replicas of services one by one, each by one that is ready. */
  reload(target: Target): AsyncIterable<Progress>;
  /** Changes the numbers of replicas, until the next `up`. */
  scale(requests: readonly ScaleRequest[], app: string | undefined): AsyncIterable<Progress>;
  /** The services, with their replicas. */
  list(target: Target): Promise<readonly ServiceView[]>;
  /** The services in detail. */
  show(target: Target): Promise<readonly ServiceDetail[]>;
  /**
   * Sends a signal to the processes of services; with `group`, to their descendants too. Answers with the
   * processes.
   */
  signal(
    target: Target,
    signal: string,
    group: boolean,
  ): Promise<readonly { readonly pid: number; readonly command: string }[]>;
  /** The changes of state from now on. */
  events(): AsyncIterable<SupervisorEvent>;
  /** The metrics of these apps, or of all, and of the daemons. */
  metrics(options?: { readonly apps?: readonly string[] }): Promise<readonly MetricFamily[]>;
  /** Ends the supervisor if it has no app and no `up` is under way; answers whether it does. */
  quit(): Promise<boolean>;
  /**
   * Replaces the supervisor's program by a build, in the same process, after the verbs under way; services run
   * on. The caller has tried that the build loads.
   */
  upgrade(build: SupervisorBuild): Promise<void>;
}
