import { closeSync, lchownSync, unlinkSync } from "node:fs";

import { newelError, systemCode } from "../base/errors.ts";
import { type Address, bindSocket, boundPort, listen } from "../posix/sockets.ts";
import type { SocketFamily, SocketInfo } from "./api.ts";
import { bindLater, isUnbound, openLater, orInUse } from "./late-sockets.ts";
import { clearPath, type SocketFile, socketFileAt } from "./socket-paths.ts";

/** The loopback address of each family. */
export const LOOPBACK = { inet: "127.0.0.1", inet6: "::1" } as const;

/** A socket of the kernel. */
export interface Held {
  readonly info: SocketInfo;
  /**
   * The kernel's own descriptor. Missing after a crash while only processes have the socket from which the
   * kernel may not take it: a second socket on the address would get connections that no process accepts.
   */
  readonly fd: number | undefined;
  /** The file of a Unix socket, as the kernel made it. */
  readonly file?: SocketFile;
}

/** A socket of which the kernel has a descriptor. */
export interface Open extends Held {
  readonly fd: number;
}

/** Whether the kernel has a descriptor of the socket. */
export function isOpen(held: Held): held is Open {
  return held.fd !== undefined;
}

/** The address to which a socket is bound. */
export function addressOf(info: SocketInfo): Address {
  const family: SocketFamily = info.family;
  if (family === "unix") return { family, path: info.path ?? "" };
  return { family, host: info.host ?? LOOPBACK[family], port: info.port ?? 0 };
}

/**
 * Binds a socket, and listens if its type can.
 *
 * @param fresh - no earlier kernel had this socket, and no other socket of this kernel may overlap it
 * @param own - the file that an earlier kernel made for this socket
 */
export function open(wanted: SocketInfo, fresh: boolean, own?: SocketFile): Open {
  if (wanted.later === true) return reopenLater(wanted);
  const address = addressOf(wanted);
  if (address.family === "unix") return openUnix(wanted, address, own);
  // A socket with SO_REUSEPORT can be bound again next to a holder after a crash. It would also
  // join a socket of another program, so a new one is first tried without the option.
  if (fresh && address.port !== 0 && wanted.type !== "raw")
    closeSync(bind(address, wanted, false, true));
  const fd = bind(address, wanted, true, false);
  const info = { ...wanted, port: wanted.type === "raw" ? (wanted.port ?? 0) : boundPort(fd) };
  if (wanted.reuseport === true) return { fd, info };
  if (listens(wanted)) listenOrClose(fd, wanted.backlog);
  return { fd, info: { ...info, fileno: fd } };
}

/** Opens a socket made with `later` again, after its last holder ended. */
function reopenLater(wanted: SocketInfo): Open {
  const { fd, info } = openLater(wanted, false);
  if (isUnbound(wanted)) return { fd, info };
  try {
    bindLater(fd, wanted, false);
    listen(fd, wanted.backlog);
    return { fd, info };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Another socket on a reserved port, for one process: it listens like the others. */
export function openShare(info: SocketInfo): number {
  const { fd } = open(info, false);
  if (listens(info)) listenOrClose(fd, info.backlog);
  return fd;
}

function listens({ type }: SocketInfo): boolean {
  return type === "stream" || type === "seqpacket";
}

function openUnix(
  wanted: SocketInfo,
  address: Extract<Address, { family: "unix" }>,
  own: SocketFile | undefined,
): Open {
  clearPath(address.path, own);
  const before = process.umask(wanted.umask ?? process.umask());
  try {
    const fd = bind(address, wanted, false, false);
    if (wanted.uid !== undefined || wanted.gid !== undefined) giveFile(fd, address.path, wanted);
    if (listens(wanted)) listenOrClose(fd, wanted.backlog);
    const file = socketFileAt(address.path);
    return { fd, info: { ...wanted, fileno: fd }, ...(file === undefined ? {} : { file }) };
  } finally {
    process.umask(before);
  }
}

/** Gives the file of a Unix socket to its owner before a client can connect. */
function giveFile(fd: number, path: string, { uid = -1, gid = -1 }: SocketInfo): void {
  try {
    lchownSync(path, uid, gid);
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    if (systemCode(error) !== "EPERM") throw error;
    const who = uid === -1 ? `gid ${gid}` : `uid ${uid}`;
    throw newelError("NEWEL_E_NOT_ROOT", { who, own: process.getuid?.() ?? -1 }, error);
  }
}

/** A trial listens too: with SO_REUSEADDR alone bind(2) succeeds although another socket is bound, unless that one listens. */
function bind(address: Address, wanted: SocketInfo, reuseport: boolean, trial: boolean): number {
  return orInUse(address, () => {
    const fd = bindSocket(address, {
      type: wanted.type,
      reuseport,
      ...(wanted.interface === undefined ? {} : { interface: wanted.interface }),
    });
    if (trial && wanted.type === "stream") listenOrClose(fd, 1);
    return fd;
  });
}

function listenOrClose(fd: number, backlog: number): void {
  try {
    listen(fd, backlog);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
