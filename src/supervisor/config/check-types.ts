import type { Duration } from "../../base/units.ts";

/** The settings of every kind of readiness. */
export interface ReadyTiming {
  /**
   * How long a process must have run before it can be ready. Default: `'1s'` if no other setting reports
   * readiness, else none.
   */
  readonly after?: Duration;
  /** The start has failed if the process is not ready after this time. Default `'30s'`. */
  readonly timeout?: Duration;
  /** How long the first new process of a reload must run before old ones are drained. Default `'3s'`. */
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
  readonly pattern?: never;
  readonly command?: never;
}

/** Ready when a connection to an address is accepted. */
export interface TcpReadyConfig extends ReadyTiming {
  /** `'127.0.0.1:6380'` */
  readonly tcp: `${string}:${number}`;
  readonly http?: never;
  readonly log?: never;
  readonly notify?: never;
  readonly pattern?: never;
  readonly command?: never;
}

/** Ready when a line of its output contains a text. */
export interface LogReadyConfig extends ReadyTiming {
  /** The text that a line of its output contains. */
  readonly log: string;
  readonly http?: never;
  readonly tcp?: never;
  readonly notify?: never;
  readonly pattern?: never;
  readonly command?: never;
}

/**
 * Ready when the process writes READY=1; for a Node.js service the preload does so when the program listens.
 */
export interface NotifyReadyConfig extends ReadyTiming {
  /**
   * `true`: wait for `READY=1` on the descriptor in NEWEL_NOTIFY_FD. Default `true` for a Node service with
   * `listen`; with `false` only `after` decides.
   */
  readonly notify?: boolean;
  readonly http?: never;
  readonly tcp?: never;
  readonly log?: never;
  readonly pattern?: never;
  readonly command?: never;
}

/** Ready when a line of its output matches a regular expression. */
export interface PatternReadyConfig extends ReadyTiming {
  /**
   * A regular expression of JavaScript, without slashes: `'listening on port \\d+'`. It is tried on each line, of
   * which the first 4096 characters count.
   */
  readonly pattern: string;
  readonly http?: never;
  readonly tcp?: never;
  readonly log?: never;
  readonly notify?: never;
  readonly command?: never;
}

/** Ready when a command ends with exit code 0. */
export interface CommandReadyConfig extends ReadyTiming {
  /**
   * A string is run by /bin/sh -c, a list without a shell: in `cwd`, with the environment of the service. The
   * command is repeated until it ends with exit code 0; each run may take 10 s.
   */
  readonly command: string | readonly [string, ...string[]];
  readonly http?: never;
  readonly tcp?: never;
  readonly log?: never;
  readonly notify?: never;
  readonly pattern?: never;
}

/** How newel detects that a process is ready: one of `http`, `tcp`, `log`, `pattern`, `command`, `notify`, or time alone. */
export type ReadyConfig =
  | HttpReadyConfig
  | TcpReadyConfig
  | LogReadyConfig
  | PatternReadyConfig
  | CommandReadyConfig
  | NotifyReadyConfig;

/** How often a process is checked, and when it counts as failed. */
export interface AliveTiming {
  /** The time from the end of a check to the beginning of the next one. Default `'10s'`. */
  readonly interval?: Duration;
  /** A check that takes longer has failed. Default `'5s'`. */
  readonly timeout?: Duration;
  /** The number of consecutive failed checks after which the process is replaced. Default 3. */
  readonly threshold?: number;
}

/** Alive while a GET is answered with a status from 200 to 399. */
export interface HttpAliveConfig extends AliveTiming {
  /** A path or a whole URL, as in `ready.http`. */
  readonly http: string;
  readonly tcp?: never;
  readonly command?: never;
}

/** Alive while a connection to an address is accepted. */
export interface TcpAliveConfig extends AliveTiming {
  /** `'127.0.0.1:6380'` */
  readonly tcp: `${string}:${number}`;
  readonly http?: never;
  readonly command?: never;
}

/** Alive while a command ends with exit code 0. */
export interface CommandAliveConfig extends AliveTiming {
  /** A string is run by /bin/sh -c, a list without a shell: in `cwd`, with the environment of the service. */
  readonly command: string | readonly [string, ...string[]];
  readonly http?: never;
  readonly tcp?: never;
}

/** How newel detects that a ready process still works: one of `http`, `tcp` and `command`. */
export type AliveConfig = HttpAliveConfig | TcpAliveConfig | CommandAliveConfig;
