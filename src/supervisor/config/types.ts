import type { AlertsConfig } from "./alert-types.ts";
import type { Duration, Size } from "../../base/units.ts";
import type { AliveConfig, ReadyConfig } from "./check-types.ts";
import type { DeployConfig } from "./deploy-types.ts";
import type {
  HooksConfig,
  LimitsConfig,
  LogsConfig,
  ReloadConfig,
  RestartConfig,
  RestartPolicy,
  ScheduleConfig,
  StopConfig,
  WatchConfig,
} from "./policy-types.ts";

/** The condition on another service before a service starts. `completed`: it ended with exit code 0. */
export type DependencyCondition = "started" | "ready" | "completed";

/**
 * Variables of an environment. A number is written as text; `undefined` leaves the variable out, so
 * that `{ KEY: process.env.KEY }` is allowed.
 */
export type EnvironmentConfig = Readonly<Record<string, string | number | undefined>>;

/** Paths of .env files; a later one wins. `'.env?'`: no error when the file does not exist. */
export type EnvFileConfig = string | readonly string[];

/** A TCP socket that the kernel binds once and never closes. */
export interface TcpSocketConfig {
  /** 1 to 65535. */
  readonly port: number;
  /** An IP address of this machine. Default: the host of the app's own `listen()`. */
  readonly host?: string;
  /** How many connections may wait to be accepted. Default 4096. */
  readonly backlog?: number;
  readonly path?: never;
  readonly umask?: never;
  readonly user?: never;
  readonly group?: never;
}

/** A Unix socket that the kernel binds once and never closes. */
export interface UnixSocketConfig {
  /** Relative to the configuration file; at most 107 bytes once absolute. */
  readonly path: string;
  /** Octal digits: the permissions taken from the socket's file, as of umask(2). Default: the kernel's own. */
  readonly umask?: string;
  /** The owner of its file, by name or uid; only for root. Default: the `user` of the service that listens on it. */
  readonly user?: string | number;
  /** The group of its file, by name or gid; only for root. Default: the `group` of the service that listens on it. */
  readonly group?: string | number;
  /** How many connections may wait to be accepted. Default 4096. */
  readonly backlog?: number;
  readonly port?: never;
  readonly host?: never;
}

/** A listening socket: TCP (`port`) or Unix (`path`). */
export type SocketConfig = TcpSocketConfig | UnixSocketConfig;

/**
 * A socket of `sockets` by its name, a port at the host of the app's own `listen()`, `'host:port'`, or the
 * absolute path of a Unix socket.
 */
export type ListenConfig<SocketName extends string = string> =
  | SocketName
  | number
  | `${string}:${number}`
  | `/${string}`;

/** The settings of every service. */
export interface ServiceSettings<
  SocketName extends string = string,
  ServiceName extends string = string,
> {
  /** The sockets that the processes of the service serve. The app calls `listen()` as without newel. */
  readonly listen?: ListenConfig<SocketName> | readonly ListenConfig<SocketName>[];
  /** How many processes; `'cpus'`: one for each processor. Default 1; 0 declares it without running any. */
  readonly replicas?: number | "cpus";
  /** Variables of the processes; they override those of `envFile` and of the app. */
  readonly env?: EnvironmentConfig;
  /** Files of variables, read before `env`. */
  readonly envFile?: EnvFileConfig;
  /** Variables of the caller's environment that the service gets: names, or prefixes such as `'AWS_*'`. */
  readonly passEnv?: readonly string[];
  /** Working directory, relative to the configuration file. Default: that file's directory. */
  readonly cwd?: string;
  /**
   * How newel detects that a process is ready. Default: `notify` for a Node.js service with `listen`, else one
   * second after the start.
   */
  readonly ready?: ReadyConfig;
  /**
   * Checks each ready process again and again; a process that fails is replaced: the new one first where
   * `reload.order` is `'start-first'`, else it is stopped and started again. Default: no check.
   */
  readonly alive?: AliveConfig;
  /**
   * The most memory that all processes of a replica may use together; pages that they share count once. The
   * replica is replaced, as for `alive`, after three samples above it (one every 2 s). Default: no limit.
   */
  readonly maxMemory?: Size;
  /** Commands before the start, when it is ready, and before the stop of each replica. Default: none. */
  readonly hooks?: HooksConfig;
  /** How its processes are stopped. Default: SIGTERM, then SIGKILL after the grace. */
  readonly stop?: StopConfig;
  /** How its replicas are replaced. Default: one by one, a new one first where it listens. */
  readonly reload?: ReloadConfig;
  /**
   * For work that ends: the service runs at these times, and not at `newel up`. A time at which the former run is not
   * over is left out. Its `restart` is `'never'` or `'on-failure'`. Default: the service runs always.
   */
  readonly schedule?: string | ScheduleConfig;
  /** Default `'always'`; with `schedule`: `'never'`. */
  readonly restart?: RestartPolicy | RestartConfig;
  /** Services that must be started before this one; in a list, each must be `ready`. */
  readonly dependsOn?:
    | readonly ServiceName[]
    | { readonly [Name in ServiceName]?: DependencyCondition };
  /** How much of its output is kept. */
  readonly logs?: LogsConfig;
  /**
   * Reload the service when a file changes: `true` for the files below `cwd`. With `listen` the reload is rolling.
   * `newel dev` watches by itself, and `false` excludes the service there. Default: `newel up` watches nothing.
   */
  readonly watch?: boolean | WatchConfig;
  /**
   * A variable that is set to the number of the replica minus 1: `'NODE_APP_INSTANCE'`, as pm2 sets it. During
   * a reload two replicas do the same work, and their numbers change. Default: none; NEWEL_REPLICA has the
   * number itself.
   */
  readonly instanceVar?: string;
  /**
   * The ports of a service that binds its port itself, `'FIRST-LAST'`: `$(port)` stands for the port of a replica, the
   * first one for replica 1. There is one for each replica, and one more with reload order `'start-first'`. Default: none.
   */
  readonly portRange?: `${number}-${number}`;
  /** The umask of the processes, in octal digits: `'022'`. Default: the umask of newel's kernel. */
  readonly umask?: string;
  /**
   * The user of the processes, by name or uid. Only root can set it. The processes get the groups of this user, and
   * HOME, USER, LOGNAME and SHELL are set to its values. Default: the user of newel.
   */
  readonly user?: string | number;
  /** Their group, by name or gid; only for root. Default: the group of `user`. */
  readonly group?: string | number;
  /** Limits of the operating system for each process. Default: those of the kernel. */
  readonly limits?: LimitsConfig;
  /** The nice value, added to that of newel's kernel: -20 to 19; below 0 only for root. Default 0. */
  readonly nice?: number;
  /** The service starts only with one of these profiles (`newel up --profile NAME`, NEWEL_PROFILES). Default: always. */
  readonly profiles?: readonly string[];
  /** Variables by profile: those of an active profile win over `env`. */
  readonly profileEnv?: Readonly<Record<string, EnvironmentConfig>>;
  /** Names of groups of services, for commands: `newel restart @backend`. */
  readonly tags?: readonly string[];
  /** With `false` the service is not started, and every `dependsOn` ignores it. Default `true`. */
  readonly enabled?: boolean;
}

/** A service that is a Node.js program. */
export interface NodeServiceConfig<
  SocketName extends string = string,
  ServiceName extends string = string,
> extends ServiceSettings<SocketName, ServiceName> {
  /** The program's file, `.js` or `.ts`, relative to `cwd`. */
  readonly node: string;
  /** Arguments of the program. */
  readonly args?: readonly string[];
  /** Arguments of Node itself: `['--max-old-space-size=512']`. */
  readonly nodeArgs?: readonly string[];
  /**
   * The Node.js executable: a path relative to `cwd`, or a name that is searched in PATH. Version 20 or later; in an
   * older one `listen` has no effect. Default: the Node.js that runs newel.
   */
  readonly nodePath?: string;
  readonly run?: never;
}

/** A service that is any other program. */
export interface RunServiceConfig<
  SocketName extends string = string,
  ServiceName extends string = string,
> extends ServiceSettings<SocketName, ServiceName> {
  /**
   * A string is run by /bin/sh -c; a list is a program and its arguments, without a shell. In each, and in `args`,
   * `nodeArgs` and `env`, `$(socket.NAME.fileno)` and `$(socket.NAME.port)` stand for a socket of `listen`, and
   * `$(replica)` for the number of the replica: 1 in `web.1`.
   */
  readonly run: string | readonly [string, ...string[]];
  readonly node?: never;
  readonly args?: never;
  readonly nodeArgs?: never;
  readonly nodePath?: never;
}

/** A service: a Node.js program (`node`) or any other program (`run`). */
export type ServiceConfig<
  SocketName extends string = string,
  ServiceName extends string = string,
> = NodeServiceConfig<SocketName, ServiceName> | RunServiceConfig<SocketName, ServiceName>;

/** Where the job server is reached as `jobs://HOST:PORT`. */
export interface JobsListenConfig {
  /** An address of this machine; `""` is loopback alone. */
  readonly host: string;
  readonly port: number;
  /** A file whose first line is the secret that both sides have; relative to the configuration file. */
  readonly authKeyFile: string;
}

/** The job server as a service of the app, named `jobs`. */
export interface JobsConfig<ServiceName extends string = string> extends Pick<
  ServiceSettings<never, ServiceName>,
  "env" | "envFile" | "passEnv" | "cwd" | "restart" | "dependsOn" | "logs" | "umask" | "enabled"
> {
  /** The modules that define jobs: a pattern of files, relative to `cwd`, or a list of them. */
  readonly modules: string | readonly string[];
  /**
   * Where the jobs are: `'sqlite:./data/jobs.db'` (the default; relative to the configuration file),
   * `'redis://…'` or `'postgres://…'`. Every service has it as `NEWEL_JOBS_STORE`.
   */
  readonly store?: string;
  /** How many jobs run at once. Default: one for each processor. */
  readonly processes?: number;
  /** The time that jobs have to end when the server stops; unfinished jobs are requeued. Default `'20s'`. */
  readonly grace?: Duration;
  /** Where programs without access to the store reach the server: all three, or none. */
  readonly listen?: JobsListenConfig;
  /** Arguments of Node itself, for the server and the processes that run jobs. */
  readonly nodeArgs?: readonly string[];
}

/** A collector that gets metrics by OTLP. */
export interface OtlpConfig {
  /** `'http://127.0.0.1:4318'`; a URL without a path gets `/v1/metrics`. */
  readonly url: string;
  /** Headers of each request, such as those of an account. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The time between two requests. Default `'60s'`. */
  readonly every?: Duration;
}

/** A statsd server that gets metrics in the DogStatsD form, by UDP. */
export interface StatsdConfig {
  /** `'127.0.0.1:8125'` */
  readonly address: string;
  /** The time between two readings. Default `'10s'`. */
  readonly every?: Duration;
}

/** The endpoint and the targets of the metrics of an app: at least one. */
export interface MetricsConfig {
  /**
   * A loopback address (`'127.0.0.1:9464'`, `'[::1]:9464'`) or the path of a Unix socket (`'./run/metrics.sock'`,
   * relative to the configuration file, readable by its owner only) at which Prometheus scrapes `/metrics`.
   */
  readonly prometheus?: string;
  /** A collector of OpenTelemetry (OTLP over HTTP, JSON): its URL, or an object. */
  readonly otlp?: string | OtlpConfig;
  /** A statsd server (the DogStatsD form, with tags, by UDP): its address, or an object. */
  readonly statsd?: string | StatsdConfig;
}

/** The export of newel.config.ts: the desired state of one app. */
export interface Config<SocketName extends string = string, ServiceName extends string = string> {
  /** The app's name. Default: the name of the configuration file's directory. */
  readonly name?: string;
  /** Variables for every service. Variables of a service override them. */
  readonly env?: EnvironmentConfig;
  /** Variables for every service by profile: those of an active profile win over `env`. */
  readonly profileEnv?: Readonly<Record<string, EnvironmentConfig>>;
  /**
   * Other configuration files, relative to this one, whose `services` and `sockets` are added; each may include
   * more. Relative paths in such a file are relative to its directory.
   */
  readonly include?: string | readonly string[];
  /** Files of variables for every service; `env` overrides them. */
  readonly envFile?: EnvFileConfig;
  /** Sockets by name. A port in `listen` needs no entry here. */
  readonly sockets?: { readonly [Name in SocketName]: SocketConfig };
  /** How `newel deploy` makes releases of the app. */
  readonly deploy?: DeployConfig;
  /** The services by name. */
  readonly services: {
    readonly [Name in ServiceName]: ServiceConfig<
      NoInfer<SocketName>,
      NoInfer<ServiceName> | "jobs"
    >;
  };
  /** The job server, as a service named `jobs`. */
  readonly jobs?: JobsConfig<NoInfer<ServiceName>>;
  /** Alerts by commands or webhooks. Default: none. */
  readonly on?: AlertsConfig;
  /** Endpoints and targets of the metrics of the app. Default: none. */
  readonly metrics?: MetricsConfig;
}
