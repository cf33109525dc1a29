import { closeSync } from "node:fs";

import { checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const sendto = libc(
  "long sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)",
);

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Datagrams to one Unix socket. */
export interface DatagramSender {
  /** Sends one datagram without waiting; `false` when the receiver's queue is full just now. */
  send(text: string): boolean;
  close(): void;
}

/**
 * Opens a sender to the datagram socket at a path, or at an abstract name after `@`, as
 * NOTIFY_SOCKET of systemd has it.
 */
export function openDatagramSender(path: string): DatagramSender {
  const address = encodeAddress(path);
  const fd = checked(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", path);
  return {
    send: (text) => {
      const data = Buffer.from(text);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      if (sendto(fd, data, data.length, flags, address, address.length) >= 0) return true;
      const errno = lastErrno();
      if (errnoName(errno) === "EAGAIN") return false;
      throw syscallError("sendto", errno, path);
    },
    close: () => closeSync(fd),
  };
}

/** sockaddr_un: an abstract name begins with NUL and has no other end than the length. */
function encodeAddress(path: string): Buffer {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, Buffer.from(name)]);
}
