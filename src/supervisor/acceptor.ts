import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

import { systemCode } from "../base/errors.ts";
import { PRELOAD_ENV } from "../base/preload.ts";
import { sleep } from "../base/timers.ts";
import { ancestorsOf, findListener, findSocketOwner, processHoldsSocket } from "./address-owner.ts";
import { processAgeMs } from "./process-age.ts";

const CONNECT_MS = 500;
/** How long a program may take to accept a connection of a probe, in milliseconds. */
const ACCEPT_MS = 2_000;
const POLL_MS = 5;
const ESTABLISHED = "01";

/** The owner of the process that answers at an address. */
export type Acceptor =
  /** A process of the replica, or one that cannot be identified. */
  | "own"
  /** Another replica, or a program that was there before the replica. */
  | "other"
  /** Another replica that shares the listening socket with this one. */
  | "shared";

/** A connection that was accepted, and by which process. */
export interface Accepted {
  readonly socket: Socket;
  readonly by: Acceptor;
}

/**
 * Connects to an address of this machine and finds the process that accepted the connection in
 * /proc: a replica must not count as ready because its predecessor, another replica or an unrelated
 * program answers. A process that began after the replica counts as its own, because a program may
 * have a daemon serve in its place (`docker run -p`).
 *
 * @param pid - the process of the replica
 * @returns `undefined` when the connection is refused, or not accepted within 2 s
 */
export async function connectTo(
  host: string,
  port: number,
  pid: number | undefined,
): Promise<Accepted | undefined> {
  const socket = await open(host, port);
  if (socket === undefined) return undefined;
  const by = await acceptorOf(socket, pid);
  if (by !== undefined) return { socket, by };
  socket.destroy();
  return undefined;
}

function open(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const fail = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    socket.setTimeout(CONNECT_MS, fail);
    // No process listens yet: the caller asks again.
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

async function acceptorOf(socket: Socket, pid: number | undefined): Promise<Acceptor | undefined> {
  if (pid === undefined) return "own";
  const deadline = performance.now() + ACCEPT_MS;
  // A connection in the queue of a listening socket has no inode yet.
  for (let inode = peerInode(socket); ; inode = peerInode(socket)) {
    // The peer has closed it again, is on another machine, or behind a translation of addresses.
    if (inode === undefined) return listenerKind(socket.remotePort ?? 0, pid);
    if (inode !== "0") return ownerKind(inode, socket.remotePort ?? 0, pid);
    if (performance.now() > deadline || socket.destroyed) return undefined;
    await sleep(POLL_MS);
  }
}

/** The inode of the other end of a connection, `"0"` while it is not accepted. */
function peerInode({ localPort, remotePort }: Socket): string | undefined {
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const row of readText(file).split("\n")) {
      const [, local = "", remote = "", state, , , , , , inode] = row.trim().split(/\s+/);
      if (state !== ESTABLISHED) continue;
      if (portOf(local) === remotePort && portOf(remote) === localPort) return inode;
    }
  }
  return undefined;
}

function portOf(address: string): number {
  return Number.parseInt(address.split(":")[1] ?? "", 16);
}

function ownerKind(inode: string, port: number, pid: number): Acceptor {
  const owner = findSocketOwner(inode, pid);
  // The sockets of a process of another user cannot be read.
  if (owner === undefined || ancestorsOf(owner).includes(pid)) return "own";
  const mark = environmentOf(owner, PRELOAD_ENV.mark);
  if (mark !== undefined && mark === environmentOf(pid, PRELOAD_ENV.mark)) return "own";
  const isManaged = environmentOf(owner, PRELOAD_ENV.process) !== undefined;
  if (!isManaged && processAgeMs(owner) <= processAgeMs(pid)) return "own";
  const listener = findListener(port);
  return listener !== undefined && processHoldsSocket(pid, listener) ? "shared" : "other";
}

/** Judges by the listening socket, where the connection itself is gone. */
function listenerKind(port: number, pid: number): Acceptor {
  const listener = findListener(port);
  return listener === undefined ? "own" : ownerKind(listener, port, pid);
}

function environmentOf(pid: number, name: string): string | undefined {
  const start = `${name}=`;
  return readText(`/proc/${pid}/environ`)
    .split("\0")
    .find((entry) => entry.startsWith(start))
    ?.slice(start.length);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return "";
    throw error;
  }
}
