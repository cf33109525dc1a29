import type { Socket } from "node:net";

import { libc } from "./libc.ts";

const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const NOBODY = 0xffff_ffff;

/** The process at the other end of a Unix socket, as the operating system recorded it at connect(2). */
export interface PeerCredentials {
  /** The pid; missing when the process is in a pid namespace that this process does not see. */
  readonly pid?: number;
  readonly uid: number;
}

/**
 * The credentials of a connected Unix socket's peer.
 *
 * @returns `undefined` for another kind of socket, or where the system call is missing
 */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  if (process.platform !== "linux" || fd === undefined) return undefined;
  const value = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  if (getOption(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return undefined;
  const [pid, uid] = [value.readInt32LE(0), value.readUInt32LE(4)];
  // The answer for TCP sockets.
  if (uid === NOBODY) return undefined;
  return pid > 0 ? { pid, uid } : { uid };
}

/**
 * Node.js has no public way to the descriptor; without it, only the mode of the socket's file protects the
 * socket.
 */
function descriptorOf(socket: Socket): number | undefined {
  const handle = "_handle" in socket ? socket._handle : undefined;
  const isHandle = typeof handle === "object" && handle !== null && "fd" in handle;
  return isHandle && typeof handle.fd === "number" ? handle.fd : undefined;
}
