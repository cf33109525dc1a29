import { closeSync } from "node:fs";

import { newelError, systemCode } from "../base/errors.ts";
import { bindSocket, boundPort, listen } from "../posix/sockets.ts";
import { clearPath, removeSocketFile, type SocketFile, socketFileAt } from "./socket-paths.ts";

/** How many clients may wait to be accepted, including while an upgrade replaces the program. */
export const CLIENT_BACKLOG = 1_024;

/** The descriptors at which clients connect to a kernel. They stay open during an upgrade. */
export interface Listeners {
  /** The descriptor of the Unix socket. */
  readonly local: number;
  /** The file of the Unix socket; missing when an earlier version left the descriptors. */
  readonly file?: SocketFile;
  /** The descriptors of the loopback addresses; empty without TCP. */
  readonly tcp: readonly number[];
  readonly port?: number;
}

/**
 * Binds the listeners; connections queue up from now on.
 *
 * @param path - an existing socket at this path is replaced, so the caller must hold the home's lock
 * @param port - 0 lets the operating system choose
 * @throws NEWEL_E_ADDRESS_IN_USE; NEWEL_E_PATH_IN_USE when another kind of file is at the path
 */
export function openListeners(path: string, port: number | undefined): Listeners {
  const unix = listenOnPath(path);
  if (port === undefined) return { ...unix, tcp: [] };
  try {
    const first = listenOnAddress("inet", "127.0.0.1", port);
    const chosen = boundPort(first);
    const second = listenOnIpv6(chosen);
    return { ...unix, tcp: second === undefined ? [first] : [first, second], port: chosen };
  } catch (error) {
    closeListeners({ ...unix, tcp: [] }, path);
    throw error;
  }
}

/** Closes the listeners: new connections are refused from now on. */
export function closeListeners({ local, file, tcp }: Listeners, path: string): void {
  removeSocketFile(path, file);
  for (const fd of [local, ...tcp]) closeSync(fd);
}

/** No other user can open the socket's file at any moment: bind(2) itself makes it with mode 0600. */
function listenOnPath(path: string): Pick<Listeners, "local" | "file"> {
  // The held lock of the home proves that no other kernel serves it: a socket at this path is an old one.
  clearPath(path, socketFileAt(path));
  const before = process.umask(0o177);
  try {
    const fd = bindSocket({ family: "unix", path }, { type: "stream" });
    listen(fd, CLIENT_BACKLOG);
    const file = socketFileAt(path);
    return { local: fd, ...(file === undefined ? {} : { file }) };
  } finally {
    process.umask(before);
  }
}

function listenOnAddress(family: "inet" | "inet6", host: string, port: number): number {
  try {
    const fd = bindSocket({ family, host, port }, { type: "stream" });
    listen(fd, CLIENT_BACKLOG);
    return fd;
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE") throw error;
    throw newelError("NEWEL_E_ADDRESS_IN_USE", { address: `${host}:${port}` }, error);
  }
}

/**
 * Returns `undefined` when the machine has no IPv6 or another program has its port: the IPv4 address
 * suffices.
 */
function listenOnIpv6(port: number): number | undefined {
  try {
    return listenOnAddress("inet6", "::1", port);
  } catch {
    return undefined;
  }
}
