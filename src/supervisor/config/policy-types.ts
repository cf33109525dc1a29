import type { Duration, Size } from "../../base/units.ts";

/** When a process that ended is started again. `on-failure`: unless its exit code was 0. */
export type RestartPolicy = "always" | "on-failure" | "never";

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
   * How long a stopping server keeps each idle connection open for one more request. It counts time in which a
   * client could act: up to twice as long on a crowded machine, up to four times as long after stalls, always
   * within the grace. Default `'1s'`.
   */
  readonly linger?: Duration;
}

/** When and how often an ended replica is started again. */
export interface RestartConfig {
  /** Default `'always'`. */
  readonly policy?: RestartPolicy;
  /**
   * After more restarts than this in the time `within`, the replica is `failed` and is not restarted. Default
   * 10.
   */
  readonly max?: number;
  /** Default `'1m'`. */
  readonly within?: Duration;
  /** The wait before a restart, doubled with each consecutive failure. Default `'100ms'` to `'15s'`. */
  readonly backoff?: { readonly min?: Duration; readonly max?: Duration };
  /**
   * How clients are treated while every replica of the service is `failed`: `'refuse'` refuses them at once,
   * `'wait'` lets them wait for the next `newel start`. The address stays taken in both cases. Default
   * `'refuse'`.
   */
  readonly whenFailed?: "refuse" | "wait";
  /**
   * A cron expression: at its times the service is reloaded, rolling where it listens. A time that has passed while no
   * supervisor ran is left out. Default: none.
   */
  readonly cron?: string;
  /** The time zone of `cron`: `'Europe/Berlin'`. Default: that of the supervisor. */
  readonly tz?: string;
}

/**
 * Commands at moments in the life of each replica: a string is run by /bin/sh -c, a list without a shell; in `cwd`, with
 * the environment and the user of the service, NEWEL_PROCESS and NEWEL_REPLICA.
 */
export interface HooksConfig {
  /** Before the process starts. A failure fails the start, and `restart` decides. */
  readonly beforeStart?: string | readonly [string, ...string[]];
  /** Once the process is ready, before it counts as ready; NEWEL_PID is its pid. A failure is reported alone. */
  readonly afterReady?: string | readonly [string, ...string[]];
  /** Before the stop signal, except with `--now`; NEWEL_PID is its pid. A failure is reported alone. */
  readonly beforeStop?: string | readonly [string, ...string[]];
  /** The time limit of each command, from `'10ms'`; a command that takes longer is killed and has failed. Default `'10s'`. */
  readonly timeout?: Duration;
}

/** The times at which a service runs. */
export interface ScheduleConfig {
  /** A cron expression of five fields (`'0 3 * * *'`), or of six with seconds first. */
  readonly cron: string;
  /** The time zone of `cron`: `'Europe/Berlin'`. Default: that of the supervisor. */
  readonly tz?: string;
  /**
   * The treatment of times that passed while no supervisor ran, or while the machine slept: `'run'` runs the service once
   * for all of them, `'skip'` waits for the next time. Default `'run'`.
   */
  readonly missed?: "run" | "skip";
}

/** The order in which a reload starts and stops replicas. */
export interface ReloadConfig {
  /**
   * `'start-first'`: the new replica is ready before the old one is drained. `'stop-first'`: the old
   * one is stopped before the new one starts, for programs of which two cannot run at once because
   * they bind a port or must not work twice. Default: `'start-first'` with `listen`, else
   * `'stop-first'`.
   */
  readonly order?: "start-first" | "stop-first";
}

/** How much output of a service is kept, and in which streams. */
export interface LogsConfig {
  /**
   * How much output of each stream is stored, for all present and earlier processes of the service together;
   * the oldest is dropped first. Default `'64MB'`.
   */
  readonly bufsize?: Size;
  /**
   * Output older than this is dropped, by the wall clock, at least `'1s'`. Default: no limit, only
   * `bufsize` bounds what is kept.
   */
  readonly maxAge?: Duration;
  /** With `'stdout'`, stdout and stderr are stored as one stream. Default `'separate'`. */
  readonly stderr?: "separate" | "stdout";
}

/** The files whose changes reload a service while it is developed. */
export interface WatchConfig {
  /**
   * Directories, files or patterns such as `'src/*.ts'`, relative to `cwd`. Default: `cwd` with all directories
   * below it.
   */
  readonly paths?: readonly string[];
  /**
   * Names at any depth (`'*.css'`), or paths and patterns with a slash, relative to `cwd` (`'src/generated'`), in
   * addition to dependencies, build outputs, logs, databases and names that begin with a dot, which are never watched.
   */
  readonly ignore?: readonly string[];
  /** How long no file may change before the reload begins, `'10ms'` to `'1m'`. Default `'100ms'`. */
  readonly debounce?: Duration;
}

/**
 * Limits of the operating system for each process of a service, soft and hard alike; see prlimit(1). A setting that is
 * missing leaves the limit as newel's kernel has it. Only root may raise a limit above its own hard one.
 */
export interface LimitsConfig {
  /** Open files. */
  readonly nofile?: number | "unlimited";
  /** Processes and threads of the user, over all of its programs. */
  readonly nproc?: number | "unlimited";
  /** The size of a core dump; 0 makes none. */
  readonly core?: Size | 0 | "unlimited";
  /** The address space, which Node.js uses far more of than it has memory. */
  readonly as?: Size | 0 | "unlimited";
  /** The data segment. */
  readonly data?: Size | 0 | "unlimited";
  /** The stack of the main thread. */
  readonly stack?: Size | 0 | "unlimited";
  /** The size of a file that the process writes. */
  readonly fsize?: Size | 0 | "unlimited";
  /** Memory that is locked. */
  readonly memlock?: Size | 0 | "unlimited";
  /** Processor time, in whole seconds. */
  readonly cpu?: Duration | "unlimited";
}
