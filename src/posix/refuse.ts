import { constants } from "node:os";

import { checked, lastErrno, libc, syscallError } from "./libc.ts";
import { isReadable } from "./poll.ts";
import {
  type Address,
  bindAgain,
  bindSocket,
  setSocketFlag,
  type SocketOptions,
} from "./sockets.ts";

const shutdownCall = libc("int shutdown(int fd, int how)");
const acceptCall = libc("int accept4(int fd, void *address, void *length, int flags)");
const receiveCall = libc("int64_t recv(int fd, void *data, size_t length, int flags)");
const closeCall = libc("int close(int fd)");
const setOption = libc(
  "int setsockopt(int fd, int level, int option, void *value, uint32_t length)",
);

const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");

const SHUT_RDWR = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ACCEPTCONN = 30;
const SO_RCVTIMEO = 20;
const { EAGAIN, ECONNABORTED, EINTR, EINVAL } = constants.errno;

/** Clients dismissed before the caller's event loop gets its next turn. */
const DISMISSED_AT_ONCE = 256;

/**
 * Refuses the clients of a listening TCP socket while its port stays bound: waiting connections are
 * reset, and new ones get ECONNREFUSED until a process calls listen(2) on any descriptor of the socket.
 *
 * The model is that of inet_shutdown() and inet_csk_get_port() in Linux:
 * - shutdown(2) of a listening socket takes it to the state CLOSE. It keeps its port only if bind(2)
 *   was called with that port (SOCK_BINDPORT_LOCK), not if it was called with port 0.
 * - A bound socket that does not listen shares its port with every other program while both have
 *   SO_REUSEADDR, as Node.js has; so this one clears that option for as long.
 * - shutdown(2) in the state CLOSE would mark the socket, and each connection it accepts later, as shut down.
 * - SO_REUSEPORT stays: a later kernel of the same user may have to bind the port again.
 *
 * @param options - `chosen`: the port may have been chosen by the operating system
 */
export function refuseTcp(
  fd: number,
  address: Address,
  options: SocketOptions & { readonly chosen: boolean },
): void {
  // Where the socket may lose its port, a second socket is bound to the port for a moment, so that it can be
  // bound again.
  const guard = options.chosen ? bindSocket(address, { ...options, reuseport: true }) : undefined;
  try {
    if (guard !== undefined) setSocketFlag(guard, SOL_SOCKET, SO_REUSEADDR, 0);
    setSocketFlag(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    if (isListening(fd)) checked(shutdownCall(fd, SHUT_RDWR), "shutdown");
    if (guard !== undefined) bindAgain(fd, address);
  } finally {
    if (guard !== undefined) closeCall(guard);
  }
}

/** Undoes the options of {@link refuseTcp}; the caller then calls listen(2). */
export function allowTcp(fd: number): void {
  setSocketFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/**
 * Limits the wait of accept(2) on this socket: a client that was ready may be gone, or accepted by another
 * process. O_NONBLOCK would apply to all holders of the socket, and may break them.
 *
 * @param milliseconds - 0 removes the limit
 */
export function limitAccept(fd: number, milliseconds: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(milliseconds) * 1_000n, 8);
  checked(setOption(fd, SOL_SOCKET, SO_RCVTIMEO, time, time.length), "setsockopt(SO_RCVTIMEO)");
}

/**
 * Accepts and closes waiting clients of a listening socket, {@link DISMISSED_AT_ONCE} at most.
 *
 * @throws NEWEL_E_SYSCALL when accept(2) fails for a reason other than the client, such as a lack of
 *   descriptors
 */
export function dismissClients(fd: number): void {
  for (let count = 0; count < DISMISSED_AT_ONCE && isReadable(fd); count += 1) {
    const client = acceptCall(fd, null, null, SOCK_CLOEXEC);
    if (client >= 0) closeCall(client);
    else if (!isPassing(lastErrno())) throw syscallError("accept4", lastErrno());
  }
}

/** Drops waiting datagrams, {@link DISMISSED_AT_ONCE} at most. */
export function dropDatagrams(fd: number): void {
  const none = Buffer.alloc(1);
  for (let count = 0; count < DISMISSED_AT_ONCE; count += 1) {
    if (receiveCall(fd, none, 0, MSG_DONTWAIT) >= 0) continue;
    const errno = lastErrno();
    if (errno === EAGAIN) return;
    if (!isPassing(errno)) throw syscallError("recv", errno);
  }
}

function isListening(fd: number): boolean {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4);
  checked(getOption(fd, SOL_SOCKET, SO_ACCEPTCONN, value, length), "getsockopt(SO_ACCEPTCONN)");
  return value.readInt32LE() === 1;
}

function isPassing(errno: number): boolean {
  return errno === EAGAIN || errno === EINTR || errno === ECONNABORTED || errno === EINVAL;
}
