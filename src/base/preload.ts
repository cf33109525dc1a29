/**
 * How the supervisor and the preload (`newel/register`) speak: through the environment at the start,
 * then one line each way over Unix sockets.
 */

/** The environment of a process that runs under the supervisor. */
export const PRELOAD_ENV = {
  /** JSON of {@link ListenTarget}[]: the addresses whose `listen()` gets an inherited socket. */
  listen: "NEWEL_LISTEN",
  /** Descriptor for `READY=1`, `STATUS=…` and `LISTEN=…` lines, set by the kernel. */
  notifyFd: "NEWEL_NOTIFY_FD",
  /** `1`: listen, say READY, but accept nothing until the control socket says `accept`. */
  hold: "NEWEL_HOLD",
  /** Beginning of the paths of control sockets and files, see {@link controlSocketPath}. */
  control: "NEWEL_CONTROL",
  /** `1`: this process is the program of a `node:` service, and no child of one. */
  entry: "NEWEL_ENTRY",
  /** `app`: READY=1 is left to the app, which has `ready: { notify: true }`. */
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
  /** The process's own name (`web.1`); stays in the environment. */
  process: "NEWEL_PROCESS",
  /** The number of the replica, from 1: 3 in `web.3`; stays in the environment. */
  replica: "NEWEL_REPLICA",
  /** Marks every descendant, so that stop means stopped; stays in the environment. */
  mark: "NEWEL_MARK",
} as const;

/** One inherited socket. Its descriptor is 3 + the index of its name in LISTEN_FDNAMES. */
export interface ListenTarget {
  readonly name: string;
  /** The TCP port the app asks for in `listen()`; also 0 never matches. */
  readonly port?: number;
  /** The Unix socket path the app asks for. */
  readonly path?: string;
  /**
   * The socket follows the host of the app's listen(): the supervisor chooses, when the preload asks,
   * among the inherited sockets of this name and of names that begin with it and `~`.
   */
  readonly follows?: true;
}

/** The control socket of one process of a replica. */
export function controlSocketPath(control: string, pid: number): string {
  return `${control}.${pid}`;
}

/** The file that exists while a Node.js process of a replica may still listen. */
export function presencePath(control: string, pid: number): string {
  return `${control}.${pid}.node`;
}

/** The file that exists once the replica may accept: for a process that listens only afterwards. */
export function acceptPath(control: string): string {
  return `${control}.accept`;
}

/** The lines the control socket understands; each is answered by one line, `ok` or `error: …`. */
export const CONTROL = {
  /** Begin to accept connections (again: no effect). */
  accept: "accept",
  /** `ok`, and from then on this connection is one of the app's own HTTP server: a health probe. */
  probe: "probe",
  /** With a space and the text of a ListenAnswer: where the app may listen. */
  listen: "listen",
} as const;

/**
 * Marks a server of newel's own in a user's process, such as that of a singleton: the preload leaves
 * it alone. It is no traffic of the app, and closing it early would give away what its address
 * stands for. A registered symbol, since the preload may be another copy of this package.
 */
export const OWN_SERVER: unique symbol = Symbol.for("newel.ownServer") as never;
