import { closeSync, rmSync } from "node:fs";

import { checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";
import { encodeUnixAddress, Message } from "./message.ts";
import { isReadable } from "./poll.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const bindCall = libc("int bind(int fd, void *address, uint32_t length)");
const recvmsg = libc("long recvmsg(int fd, void *message, int flags)");

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const TEXT_BYTES = 4_096;
/** Room for one descriptor: the system cuts off and closes any further ones. */
const CONTROL_BYTES = 24;

/** One datagram; the descriptor that came with it belongs to the receiver, closed on exec. */
export interface Datagram {
  readonly text: string;
  readonly fd?: number;
}

/** Datagrams to a Unix socket of this process. */
export interface DatagramReceiver {
  /** The next datagram; `undefined` when none waits. */
  receive(): Datagram | undefined;
  close(): void;
}

/**
 * Binds a datagram socket at a path, or at an abstract name after `@`: the counterpart of
 * `openDatagramSender`, because Node.js cannot receive descriptors. A file at the path is replaced; other
 * users cannot open the new one.
 */
export function bindDatagramReceiver(path: string): DatagramReceiver {
  const abstract = path.startsWith("@");
  if (!abstract) rmSync(path, { force: true });
  const fd = checked(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", path);
  const address = encodeUnixAddress(path);
  const before = process.umask(0o177);
  try {
    checked(bindCall(fd, address, address.length), "bind", path);
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    process.umask(before);
  }
  return {
    receive: () => receiveOne(fd, path),
    close: () => {
      closeSync(fd);
      if (!abstract) rmSync(path, { force: true });
    },
  };
}

function receiveOne(fd: number, path: string): Datagram | undefined {
  if (!isReadable(fd)) return undefined;
  const message = new Message(Buffer.alloc(TEXT_BYTES), Buffer.alloc(CONTROL_BYTES));
  const length = recvmsg(fd, message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    const errno = lastErrno();
    if (errnoName(errno) === "EAGAIN") return undefined;
    throw syscallError("recvmsg", errno, path);
  }
  const text = message.data.toString("utf8", 0, length);
  const { right } = message;
  return right === undefined ? { text } : { text, fd: right };
}
