/**
 * The protocol between the supervisor and the preload (`newel/register`): environment variables at the start,
 * then one line each way over Unix sockets.
 */

/** The environment of a process that runs under the supervisor. */
export const PRELOAD_ENV = {
  /** JSON of {@link ListenTarget}[]: the addresses whose `listen()` gets an inherited socket. */
  listen: "NEWEL_LISTEN",
  /** Descriptor for `READY=1`, `STATUS=…` and `LISTEN=…` lines, set by the kernel. */
  notifyFd: "NEWEL_NOTIFY_FD",
  /** `1`: listen, write READY, but accept no connection until the control socket gets `accept`. */
  hold: "NEWEL_HOLD",
  /** The beginning of the paths of control sockets and files, see {@link controlSocketPath}. */
  control: "NEWEL_CONTROL",
  /** `1`: this process is the program of a `node:` service, not a child of one. */
  entry: "NEWEL_ENTRY",
  /** `app`: the app writes READY=1, because it has `ready: { notify: true }`. */
  ready: "NEWEL_READY",
  /** The first descriptor in the order of LISTEN_FDNAMES, where a parent passes them on; default 3. */
  firstFd: "NEWEL_LISTEN_FD",
  /** The signal that starts the drain: `SIGTERM`. */
  stopSignal: "NEWEL_STOP_SIGNAL",
  /** Milliseconds between that signal and the supervisor's SIGKILL. */
  graceMs: "NEWEL_GRACE_MS",
  /**
   * Milliseconds that a connection may stay open without a request once the drain has begun, so
   * that a request already on its way is answered. Default 1000.
   */
  lingerMs: "NEWEL_LINGER_MS",
  /** The name of the process (`web.1`); stays in the environment. */
  process: "NEWEL_PROCESS",
  /** The number of the replica, from 1: 3 in `web.3`; stays in the environment. */
  replica: "NEWEL_REPLICA",
  /** Marks every descendant, so that a stop also reaches descendants; stays in the environment. */
  mark: "NEWEL_MARK",
} as const;

/** One inherited socket. Its descriptor is 3 + the index of its name in LISTEN_FDNAMES. */
export interface ListenTarget {
  readonly name: string;
  /** The TCP port that the app passes to `listen()`; 0 never matches. */
  readonly port?: number;
  /** The Unix socket path that the app passes to `listen()`. */
  readonly path?: string;
  /**
   * The socket follows the host of the app's listen(): when the preload asks, the supervisor chooses among
   * the inherited sockets of this name and of names that begin with it and `~`.
   */
  readonly follows?: true;
  /** The backlog of the socket. Default {@link DEFAULT_BACKLOG}. */
  readonly backlog?: number;
}

/** Node's own backlog of 511 overflows when all replicas of a busy service restart at once. */
export const DEFAULT_BACKLOG = 4_096;

/** The control socket of one process of a replica. */
export function controlSocketPath(control: string, pid: number): string {
  return `${control}.${pid}`;
}

/** The file that exists while a Node.js process of a replica may still listen. */
export function presencePath(control: string, pid: number): string {
  return `${control}.${pid}.node`;
}

/** The file that exists once the replica may accept, for a process that listens only later. */
export function acceptPath(control: string): string {
  return `${control}.accept`;
}

/** The lines of the control socket; each is answered by one line: `ok`, `error: …`, or the figures. */
export const CONTROL = {
  /** Begin to accept connections (again: no effect). */
  accept: "accept",
  /** Answered with `ok`; from then on this connection belongs to the app's HTTP server: a health probe. */
  probe: "probe",
  /** With a space and the text of a ListenAnswer: the address at which the app may listen. */
  listen: "listen",
  /** Answered with one line, the JSON of NodeFigures (src/base/node-figures.ts). */
  figures: "figures",
} as const;

/**
 * Marks a server of newel in a user's process, such as that of a singleton: the preload does not manage it.
 * Its connections are not traffic of the app, and closing it early would release the ownership that its
 * address represents. A registered symbol, because the preload may be another copy of this package.
 */
export const OWN_SERVER: unique symbol = Symbol.for("newel.ownServer") as never;
