import { checked, libc } from "./libc.ts";
import { setSocketFlag } from "./sockets.ts";

const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");

const SOL_SOCKET = 1;
const SO_BINDTOIFINDEX = 62;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** The offset of `tcpi_unacked`: for a listening socket, the length of its queue. */
const UNACKED_OFFSET = 24;
/** The number of a network device that no machine has. */
const NO_DEVICE = 0x7fff_fffe;

/**
 * Hides a listening TCP socket from new clients: they reach another socket that covers the address, or are
 * refused. Clients that wait in the queue, and handshakes that have begun, stay with the socket, and its
 * processes accept them as before.
 *
 * The socket is bound to a network device that does not exist; the lookup of a new connection
 * (inet_lhash2_lookup() in Linux) then passes over it. Any process may do so once, since Linux 5.7; only one
 * with CAP_NET_RAW may undo it.
 */
export function hideFromClients(fd: number): void {
  if (!isHidden(fd)) setSocketFlag(fd, SOL_SOCKET, SO_BINDTOIFINDEX, NO_DEVICE);
}

/** Whether {@link hideFromClients} was called for the socket, by this process or another one. */
export function isHidden(fd: number): boolean {
  const value = Buffer.alloc(4);
  checked(getOption(fd, SOL_SOCKET, SO_BINDTOIFINDEX, value, lengthOf(value)), "getsockopt");
  return value.readInt32LE() === NO_DEVICE;
}

/** How many clients wait in the queue of a listening TCP socket. */
export function countWaiting(fd: number): number {
  const info = Buffer.alloc(UNACKED_OFFSET + 4);
  checked(getOption(fd, IPPROTO_TCP, TCP_INFO, info, lengthOf(info)), "getsockopt(TCP_INFO)");
  return info.readUInt32LE(UNACKED_OFFSET);
}

function lengthOf(buffer: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(buffer.length);
  return length;
}
