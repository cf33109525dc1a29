import { closeSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { constants } from "node:os";

import { checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const bindCall = libc("int bind(int fd, void *address, uint32_t length)");
const connectCall = libc("int connect(int fd, void *address, uint32_t length)");
const listenCall = libc("int listen(int fd, int backlog)");
const setOption = libc(
  "int setsockopt(int fd, int level, int option, void *value, uint32_t length)",
);
const getOption = libc("int getsockopt(int fd, int level, int option, void *value, void *length)");
const getName = libc("int getsockname(int fd, void *address, void *length)");

const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const SO_REUSEPORT = 15;
const SO_BINDTODEVICE = 25;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

const FAMILIES = { unix: 1, inet: 2, inet6: 10 } as const;
const TYPES = { stream: 1, dgram: 2, raw: 3, rdm: 4, seqpacket: 5 } as const;
type Type = keyof typeof TYPES;

/** The address to which a socket is bound. */
export type Address =
  | { readonly family: "inet" | "inet6"; readonly host: string; readonly port: number }
  | { readonly family: "unix"; readonly path: string };

export interface SocketOptions {
  readonly type: Type;
  readonly reuseport?: boolean;
  readonly interface?: string;
}

/** Makes a socket and binds it; it is closed on exec. The caller owns the descriptor. */
export function bindSocket(address: Address, options: SocketOptions): number {
  const about = describe(address);
  const fd = checked(
    socket(FAMILIES[address.family], TYPES[options.type] | SOCK_CLOEXEC, 0),
    "socket",
    about,
  );
  try {
    if (address.family !== "unix") {
      setSocketFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (options.reuseport === true) setSocketFlag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    // `::` also takes IPv4, as in Node's listen(port).
    if (address.family === "inet6")
      setSocketFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, address.host === "::" ? 0 : 1);
    if (options.interface !== undefined) {
      const device = Buffer.from(`${options.interface}\0`);
      checked(
        setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length),
        "setsockopt(SO_BINDTODEVICE)",
        options.interface,
      );
    }
    const bytes = encodeAddress(address);
    checked(bindCall(fd, bytes, bytes.length), "bind", about);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Binds a socket again if it has lost its port; a bound socket stays as it is. */
export function bindAgain(fd: number, address: Address): void {
  const bytes = encodeAddress(address);
  const result = bindCall(fd, bytes, bytes.length);
  if (result < 0 && lastErrno() !== constants.errno.EINVAL)
    throw syscallError("bind", lastErrno(), describe(address));
}

/** Lets connections queue at the socket from now on, whether or not a process accepts them. */
export function listen(fd: number, backlog: number): void {
  checked(listenCall(fd, backlog), "listen");
}

/** The port a bound inet or inet6 socket has. */
export function boundPort(fd: number): number {
  return boundAddress(fd).readUInt16BE(2);
}

/** Whether a descriptor is a socket of this type, bound to this address. */
export function isBoundTo(fd: number, address: Address, type: Type): boolean {
  const value = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  if (getOption(fd, SOL_SOCKET, SO_TYPE, value, length) < 0) return false;
  if (value.readInt32LE() !== TYPES[type]) return false;
  const bound = boundAddress(fd);
  const wanted = encodeAddress(address);
  if (!bound.subarray(0, 2).equals(wanted.subarray(0, 2))) return false;
  if (address.family === "unix") return pathIn(bound) === address.path;
  // A raw socket has a protocol in the bytes in which others have their port.
  const [from, to] = address.family === "inet" ? [4, 8] : [8, 24];
  const samePort = type === "raw" || bound.readUInt16BE(2) === address.port;
  return samePort && bound.subarray(from, to).equals(wanted.subarray(from, to));
}

/**
 * Whether a process holds the Unix socket of this file, for any type and whether it listens or not. The
 * socket itself is not disturbed: a datagram socket may not connect to a stream socket, and only a file
 * without a living socket answers with ECONNREFUSED.
 */
export function isUnixSocketHeld(path: string): boolean {
  const fd = checked(socket(FAMILIES.unix, TYPES.dgram | SOCK_CLOEXEC, 0), "socket", path);
  try {
    const bytes = encodeAddress({ family: "unix", path });
    if (connectCall(fd, bytes, bytes.length) >= 0) return true;
    const errno = lastErrno();
    const name = errnoName(errno);
    if (name === "ECONNREFUSED" || name === "ENOENT") return false;
    // No access (EACCES), or some other answer: a process may hold it.
    if (["EPROTOTYPE", "EACCES", "EPERM", "EAGAIN"].includes(name)) return true;
    throw syscallError("connect", errno, path);
  } finally {
    closeSync(fd);
  }
}

function boundAddress(fd: number): Buffer {
  const address = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  checked(getName(fd, address, length), "getsockname");
  return address.subarray(0, Math.max(4, Math.min(length.readUInt32LE(), address.length)));
}

function pathIn(address: Buffer): string {
  const path = address.subarray(2);
  const end = path.indexOf(0);
  return path.toString("utf8", 0, end < 0 ? path.length : end);
}

/** An address in readable form: `127.0.0.1:3000`, `[::]:3000`, `/run/x.sock`. */
export function describe(address: Address): string {
  if (address.family === "unix") return address.path;
  return address.family === "inet6"
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** Sets a socket option whose value is a number or a switch (1, 0). */
export function setSocketFlag(fd: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(setOption(fd, level, option, bytes, 4), "setsockopt");
}

/** An address in the form that bind(2) takes. */
export function encodeAddress(address: Address): Buffer {
  if (address.family === "unix") {
    const path = Buffer.from(`${address.path}\0`);
    const bytes = Buffer.alloc(2 + path.length);
    bytes.writeUInt16LE(FAMILIES.unix, 0);
    path.copy(bytes, 2);
    return bytes;
  }
  const bytes = Buffer.alloc(address.family === "inet" ? 16 : 28);
  bytes.writeUInt16LE(FAMILIES[address.family], 0);
  bytes.writeUInt16BE(address.port, 2);
  if (address.family === "inet") ipv4Bytes(address.host).copy(bytes, 4);
  else ipv6Bytes(address.host).copy(bytes, 8);
  return bytes;
}

function ipv4Bytes(host: string): Buffer {
  if (!isIPv4(host)) throw new RangeError(`not an IPv4 address: ${host}`);
  return Buffer.from(host.split(".").map(Number));
}

function ipv6Bytes(host: string): Buffer {
  if (!isIPv6(host) || host.includes("%")) throw new RangeError(`not an IPv6 address: ${host}`);
  let text = host;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail !== null) {
    const four = ipv4Bytes(tail[2] ?? "");
    text = `${tail[1]}${four.readUInt16BE(0).toString(16)}:${four.readUInt16BE(2).toString(16)}`;
  }
  const [head = "", rest] = text.split("::");
  const left = groups(head);
  const right = rest === undefined ? [] : groups(rest);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...middle, ...right].entries())
    bytes.writeUInt16BE(group, index * 2);
  return bytes;
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
