import type { Duration, Size } from "../../base/units.ts";

/** When a process that ended is started again. `on-failure`: unless its exit code was 0. */
export type RestartPolicy = "always" | "on-failure" | "never";

/** What a service waits for in another one before it starts. `completed`: it ended with exit code 0. */
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
}

/** A Unix socket that the kernel binds once and never closes. */
export interface UnixSocketConfig {
  /** Relative to the configuration file; at most 107 bytes once absolute. */
  readonly path: string;
  /** Octal digits: the permissions taken from the socket's file, as of umask(2). Default: the kernel's own. */
  readonly umask?: string;
  /** How many connections may wait to be accepted. Default 4096. */
  readonly backlog?: number;
  readonly port?: never;
  readonly host?: never;
}

export type SocketConfig = TcpSocketConfig | UnixSocketConfig;

/** A socket of `sockets` by its name, a port at the host of the app's own `listen()`, or `'host:port'`. */
export type ListenConfig<SocketName extends string = string> =
  | SocketName
  | number
  | `${string}:${number}`;

/** What goes with every kind of readiness. */
export interface ReadyTiming {
  /**
   * How long a process must have run before it can be ready. Default: `'1s'` where nothing else
   * tells readiness, else none.
   */
  readonly after?: Duration;
  /** A process that is not ready by then has failed to start. Default `'30s'`. */
  readonly timeout?: Duration;
  /** How long the first new process of a reload must live before old ones are drained. Default `'3s'`. */
  readonly stable?: Duration;
}

/** Ready when a GET is answered with a status from 200 to 399. */
export interface HttpReadyConfig extends ReadyTiming {
  /**
   * A path (`'/healthz'`): asked of the process's own HTTP server, or, for a service with `run`, of
   * its first socket. Or a whole URL (`'http://127.0.0.1:8000/healthz'`).
   */
  readonly http: string;
  readonly tcp?: never;
  readonly log?: never;
  readonly notify?: never;
}

/** Ready when a connection to an address is accepted. */
export interface TcpReadyConfig extends ReadyTiming {
  /** `'127.0.0.1:6380'` */
  readonly tcp: `${string}:${number}`;
  readonly http?: never;
  readonly log?: never;
  readonly notify?: never;
}

/** Ready when a line of its output contains a text. */
export interface LogReadyConfig extends ReadyTiming {
  readonly log: string;
  readonly http?: never;
  readonly tcp?: never;
  readonly notify?: never;
}

/** Ready when it says so, which the preload does for a Node service when it listens. */
export interface NotifyReadyConfig extends ReadyTiming {
  /**
   * `true`: wait for `READY=1` on the descriptor in NEWEL_NOTIFY_FD. Default `true` for a Node
   * service with `listen`; `false` makes it ready by `after` alone.
   */
  readonly notify?: boolean;
  readonly http?: never;
  readonly tcp?: never;
  readonly log?: never;
}

/** How newel knows that a process is ready: one of `http`, `tcp`, `log`, `notify`, or time alone. */
export type ReadyConfig = HttpReadyConfig | TcpReadyConfig | LogReadyConfig | NotifyReadyConfig;

/** How a replica is stopped: the signal, then after `grace` SIGKILL to every process that is left. */
export interface StopConfig {
  /** Default `'SIGTERM'`. */
  readonly signal?: `SIG${string}`;
  /** From the signal to SIGKILL. Default `'10s'`. */
  readonly grace?: Duration;
  /**
   * Which processes get the signal. `'auto'`: the program, exactly once, also below `npm` or a shell;
   * a program that handles the signal ends its children itself. `'main'`: the process that newel
   * started. `'group'`: every process of its process group. `'tree'`: every process of the service.
   * In each case the whole tree has the grace. Default `'auto'`.
   */
  readonly scope?: "auto" | "main" | "group" | "tree";
  /**
   * How long a stopping server still waits for a request on each open connection without one. It counts
   * time in which a client could act: up to twice as long on a crowded machine, up to four times as long
   * after stalls, always within the grace. Default `'1s'`.
   */
  readonly linger?: Duration;
}

export interface RestartConfig {
  /** Default `'always'`. */
  readonly policy?: RestartPolicy;
  /** More restarts than this `within` that time, and the process is left `failed`. Default 10. */
  readonly max?: number;
  /** Default `'1m'`. */
  readonly within?: Duration;
  /** The wait before a restart: it doubles with each failure in a row. Default `'100ms'` to `'15s'`. */
  readonly backoff?: { readonly min?: Duration; readonly max?: Duration };
  /**
   * The clients of a service of which every replica is `failed`: `'refuse'` refuses them at once,
   * `'wait'` lets them wait for the next `newel start`. The address stays taken in both cases. Default
   * `'refuse'`.
   */
  readonly whenFailed?: "refuse" | "wait";
}

export interface ReloadConfig {
  /**
   * `'start-first'`: the new replica is ready before the old one is drained. `'stop-first'`: the old
   * one is stopped before the new one starts, for programs of which two cannot run at once because
   * they bind a port or must not work twice. Default: `'start-first'` with `listen`, else
   * `'stop-first'`.
   */
  readonly order?: "start-first" | "stop-first";
}

export interface LogsConfig {
  /**
   * How much output of each stream is kept, over all replicas and generations of the service together; the
   * oldest is dropped first. Default `'64MB'`.
   */
  readonly bufsize?: Size;
  /**
   * Output older than this is dropped, by the wall clock, at least `'1s'`. Default: no limit, only
   * `bufsize` bounds what is kept.
   */
  readonly maxAge?: Duration;
  /** `'stdout'` puts stderr into the same spool. Default `'separate'`. */
  readonly stderr?: "separate" | "stdout";
}

/** What every service may have. */
export interface ServiceSettings<
  SocketName extends string = string,
  ServiceName extends string = string,
> {
  /** The sockets its processes serve; the app's own `listen()` stays as it is. */
  readonly listen?: ListenConfig<SocketName> | readonly ListenConfig<SocketName>[];
  /** How many processes; `'cpus'`: one for each processor. Default 1; 0 declares it without running any. */
  readonly replicas?: number | "cpus";
  readonly env?: EnvironmentConfig;
  readonly envFile?: EnvFileConfig;
  /** Variables of the caller's environment to hand on: names, or beginnings such as `'AWS_*'`. */
  readonly passEnv?: readonly string[];
  /** Working directory, relative to the configuration file. Default: that file's directory. */
  readonly cwd?: string;
  /** Default: by `notify` for a Node service with `listen`, else one second after the start. */
  readonly ready?: ReadyConfig;
  readonly stop?: StopConfig;
  readonly reload?: ReloadConfig;
  /** Default `'always'`. */
  readonly restart?: RestartPolicy | RestartConfig;
  /** Services that must be there first; in a list each must be `ready`. */
  readonly dependsOn?:
    | readonly ServiceName[]
    | { readonly [Name in ServiceName]?: DependencyCondition };
  readonly logs?: LogsConfig;
  /**
   * A variable that gets the number of the replica less 1: `'NODE_APP_INSTANCE'`, as pm2 sets it. During a reload
   * two replicas do the same work, and their numbers change. Default: none; NEWEL_REPLICA has the number itself.
   */
  readonly instanceVar?: string;
  /** Octal digits: the permissions that new files do not get: `'022'`. Default: the kernel's own. */
  readonly umask?: string;
  /** `false` leaves the service out, and out of every `dependsOn`. Default `true`. */
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
  /** What jobs have to end when the server stops; the rest is given back. Default `'20s'`. */
  readonly grace?: Duration;
  /** Where programs without access to the store reach the server: all three, or none. */
  readonly listen?: JobsListenConfig;
  /** Arguments of Node itself, for the server and the processes that run jobs. */
  readonly nodeArgs?: readonly string[];
}

/** What newel.config.ts exports: the wanted state of one app. */
export interface Config<SocketName extends string = string, ServiceName extends string = string> {
  /** The app's name. Default: the name of the configuration file's directory. */
  readonly name?: string;
  /** Variables for every service; a service's own win. */
  readonly env?: EnvironmentConfig;
  /** Before `env`, for every service. */
  readonly envFile?: EnvFileConfig;
  /** Sockets by name. A port in `listen` needs no entry here. */
  readonly sockets?: { readonly [Name in SocketName]: SocketConfig };
  readonly services: {
    readonly [Name in ServiceName]: ServiceConfig<
      NoInfer<SocketName>,
      NoInfer<ServiceName> | "jobs"
    >;
  };
  /** The job server, as a service named `jobs`. */
  readonly jobs?: JobsConfig<NoInfer<ServiceName>>;
}
