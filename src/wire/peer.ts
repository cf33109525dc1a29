import { libc } from "../posix/libc.ts";

const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Who is at the other end of a Unix socket, as the operating system saw it at connect(2). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
}

/**
 * The credentials of a connected Unix socket's peer.
 *
 * @returns `undefined` where the descriptor is no such socket, or the system call is missing
 */
export function peerCredentials(fd: number): PeerCredentials | undefined {
  if (process.platform !== "linux") return undefined;
  const value = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  if (getOption(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return undefined;
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4) };
}
