import { closeSync } from "node:fs";

import { checked, lastErrno, libc, syscallError } from "./libc.ts";
import { type Address, encodeAddress, describe } from "./sockets.ts";

/**
 * Stream sockets that are made first and bound later: all processes that inherit the descriptor in between
 * share one socket, so that it is bound in each of them from the moment of bind(2).
 */

const socketCall = libc("int socket(int family, int type, int protocol)");
const bindCall = libc("int bind(int fd, void *address, uint32_t length)");
const shutdownCall = libc("int shutdown(int fd, int how)");
const getName = libc("int getsockname(int fd, void *address, void *length)");
const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");
const setOption = libc(
  "int setsockopt(int fd, int level, int option, void *value, uint32_t length)",
);

const FAMILIES = { inet: 2, inet6: 10 } as const;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SHUT_RDWR = 2;

/** The address to which a TCP socket is bound. */
export interface TcpAddress {
  readonly family: "inet" | "inet6";
  readonly host: string;
  /** 0: the socket is not bound. */
  readonly port: number;
  /** The socket takes no IPv4 connections although it is bound to `::`. */
  readonly ipv6Only?: true;
}

/** Makes a TCP socket without an address; it is closed on exec. The caller owns the descriptor. */
export function openUnbound(family: "inet" | "inet6"): number {
  const fd = checked(socketCall(FAMILIES[family], SOCK_STREAM | SOCK_CLOEXEC, 0), "socket", family);
  try {
    setFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    setFlag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Binds a socket of {@link openUnbound}. It does not listen: until a process calls listen(2), clients of the
 * address reach the socket that serves them at present.
 *
 * @throws NEWEL_E_SYSCALL with the errno of bind(2); the socket then is still unbound
 */
export function bindLate(fd: number, { family, host, port, ipv6Only }: TcpAddress): void {
  const address: Address = { family, host, port };
  // `::` also takes IPv4, as in Node's listen(port); ::ffff:127.0.0.1 takes only IPv4.
  const takesIpv4 = (host === "::" && ipv6Only !== true) || host.startsWith("::ffff:");
  if (family === "inet6") setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, takesIpv4 ? 0 : 1);
  const bytes = encodeAddress(address);
  checked(bindCall(fd, bytes, bytes.length), "bind", describe(address));
}

/** The address of a TCP socket. */
export function tcpAddress(fd: number): TcpAddress {
  const bytes = Buffer.alloc(128);
  checked(getName(fd, bytes, lengthOf(bytes)), "getsockname");
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === FAMILIES.inet)
    return { family: "inet", host: [...bytes.subarray(4, 8)].join("."), port };
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index));
  const text = groups.map((group) => group.toString(16)).join(":");
  const { SocketAddress } = process.getBuiltinModule("node:net");
  const host = new SocketAddress({ family: "ipv6", address: text }).address;
  return {
    family: "inet6",
    host,
    port,
    ...(host === "::" && isIpv6Only(fd) && { ipv6Only: true }),
  };
}

/** Ends listening for every holder of the socket: waiting clients are reset, new ones are refused. */
export function endListening(fd: number): void {
  if (shutdownCall(fd, SHUT_RDWR) >= 0) return;
  const error = syscallError("shutdown", lastErrno());
  // ENOTCONN: the socket did not listen.
  if (error.data?.["errno"] !== "ENOTCONN") throw error;
}

function isIpv6Only(fd: number): boolean {
  const value = Buffer.alloc(4);
  checked(getOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, value, lengthOf(value)), "getsockopt");
  return value.readInt32LE() !== 0;
}

function lengthOf(buffer: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(buffer.length);
  return length;
}

function setFlag(fd: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(setOption(fd, level, option, bytes, 4), "setsockopt");
}
