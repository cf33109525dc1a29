import { closeSync, fstatSync, readFileSync } from "node:fs";
import { isIPv6, SocketAddress } from "node:net";

import { newelError } from "../base/errors.ts";
import { bindLate, openUnbound, tcpAddress } from "../posix/late-bind.ts";
import { isErrno } from "../posix/libc.ts";
import { type Address, bindSocket, describe, listen } from "../posix/sockets.ts";
import type { SocketInfo, SocketRequest } from "./api.ts";

/**
 * Sockets whose address is decided after they were given to processes.
 *
 * | state | `host` | clients |
 * |---|---|---|
 * | unbound | missing | refused, as nothing listens |
 * | bound | set, for good | wait from the first listen(2) of a process on |
 *
 * Each has SO_REUSEPORT, so that two of them may have overlapping addresses (127.0.0.1 and 0.0.0.0);
 * Linux gives a client to the more specific one that listens.
 */

const ANY = { inet: "0.0.0.0", inet6: "::" } as const;

/** Whether a socket waits for its address. */
export function isUnbound({ later, host }: SocketInfo): boolean {
  return later === true && host === undefined;
}

/**
 * A request for such a socket with every default filled in.
 *
 * @throws NEWEL_E_COMMAND when it also has a setting that `bind` decides, or has no port
 */
export function settleLater(request: SocketRequest): SocketInfo {
  const { name, family = "inet", type = "stream", backlog = 5, port = 0 } = request;
  const decided = (["host", "path", "interface", "reuseport"] as const).find(
    (key) => request[key] !== undefined && request[key] !== false,
  );
  const wrong = (why: string): Error =>
    newelError("NEWEL_E_COMMAND", { what: `Bad socket ${name}: later=1 ${why}` });
  if (decided !== undefined) throw wrong(`does not go with ${decided}`);
  if (family === "unix" || type !== "stream") throw wrong("is for TCP sockets");
  if (port === 0) throw wrong("needs a port");
  return { name, family, type, backlog, port, later: true };
}

/**
 * Makes the socket without binding it.
 *
 * @param trial - check that no other program has the port: false when the kernel itself has it
 * @throws NEWEL_E_ADDRESS_IN_USE, NEWEL_E_PORT_RIGHTS
 */
export function openLater(wanted: SocketInfo, trial: boolean): { fd: number; info: SocketInfo } {
  const { family, port = 0 } = wanted;
  if (family === "unix") throw new RangeError("a Unix socket is bound when it is made");
  if (trial) {
    const address: Address = { family, host: ANY[family], port };
    // Binds without listening: no client may see the port open.
    closeSync(orInUse(address, () => bindSocket(address, { type: "stream" })));
  }
  const fd = openUnbound(family);
  return { fd, info: { ...wanted, fileno: fd } };
}

/**
 * Binds a descriptor to the address that `info` has by now.
 *
 * @param trial - also check that no other program shares the address by SO_REUSEPORT or waits to listen
 * @throws NEWEL_E_ADDRESS_IN_USE, NEWEL_E_PORT_RIGHTS, NEWEL_E_SYSCALL; the descriptor is unbound then
 */
export function bindLater(fd: number, info: SocketInfo, trial: boolean): void {
  const { family, host = "", port = 0, ipv6Only } = info;
  if (family === "unix") throw new RangeError("a Unix socket is bound when it is made");
  const address: Address = { family, host, port };
  const wanted = { ...address, ...(ipv6Only === true && { ipv6Only: true as const }) };
  if (trial && ipv6Only !== true && !host.startsWith("::ffff:")) {
    const tried = orInUse(address, () => bindSocket(address, { type: "stream" }));
    try {
      orInUse(address, () => listen(tried, 1));
    } finally {
      closeSync(tried);
    }
  }
  orInUse(address, () => bindLate(fd, wanted));
}

/** An IP address in the spelling that {@link tcpAddress} uses too. */
export function canonicalHost(host: string): string {
  return isIPv6(host) ? new SocketAddress({ family: "ipv6", address: host }).address : host;
}

/**
 * The present info of a descriptor of an earlier kernel: the socket may have been bound just before the
 * journal recorded it.
 */
export function asFound(info: SocketInfo, fd: number): SocketInfo {
  if (!isUnbound(info)) return info;
  const { host, port, ipv6Only } = tcpAddress(fd);
  if (port === 0) return info;
  return { ...info, host, ...(ipv6Only === true && { ipv6Only: true as const }) };
}

/** Whether a descriptor is the socket that an earlier kernel journalled; it may be bound by now. */
export function isLateSocket(fd: number, info: SocketInfo): boolean {
  if (!fstatSync(fd).isSocket()) return false;
  const { family, host, port, ipv6Only } = tcpAddress(fd);
  if (family !== info.family) return false;
  if (isUnbound(info)) return port === 0 || port === info.port;
  return port === info.port && host === info.host && ipv6Only === info.ipv6Only;
}

/**
 * Runs a system call that takes an address.
 *
 * @throws NEWEL_E_ADDRESS_IN_USE for EADDRINUSE, NEWEL_E_PORT_RIGHTS for EACCES
 */
export function orInUse<T>(address: Address, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (isErrno(error, "EADDRINUSE"))
      throw newelError("NEWEL_E_ADDRESS_IN_USE", { address: describe(address) }, error);
    if (isErrno(error, "EACCES") && address.family !== "unix")
      throw newelError(
        "NEWEL_E_PORT_RIGHTS",
        { port: address.port, first: firstFreePort() },
        error,
      );
    throw error;
  }
}

/** The lowest port that needs no rights: 1024 by default. */
function firstFreePort(): number {
  const path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  return Number.parseInt(readFileSync(path, "utf8"), 10);
}
