import { closeSync } from "node:fs";

import { sleep } from "../base/timers.ts";
import { addressOf, checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const sendmsg = libc("long sendmsg(int fd, const void *message, int flags)");

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/** A full queue is its reader being busy: it is tried again that often, that many milliseconds apart. */
const RETRIES = 50;
const RETRY_MS = 20;

/** Datagrams to one Unix socket. */
export interface DatagramSender {
  /**
   * Sends one datagram without waiting; `false` when the receiver's queue is full just now.
   *
   * @param descriptors - the receiver gets copies of these with it
   */
  send(text: string, descriptors?: readonly number[]): boolean;
  /** The same, and waits for a second at most for a place in the queue. */
  deliver(text: string, descriptors?: readonly number[]): Promise<boolean>;
  close(): void;
}

/**
 * Opens a sender to the datagram socket at a path, or at an abstract name after `@`, as
 * NOTIFY_SOCKET of systemd has it.
 */
export function openDatagramSender(path: string): DatagramSender {
  const address = encodeUnixAddress(path);
  const fd = checked(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", path);
  const send: DatagramSender["send"] = (text, descriptors = []) => {
    const message = new Message(address, Buffer.from(text), encodeRights(descriptors));
    const sent = sendmsg(fd, message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
    // Looked at after the call, the parts live as long as it: the header has only their addresses.
    if (sent === message.data.length) return true;
    const errno = lastErrno();
    if (errnoName(errno) === "EAGAIN") return false;
    throw syscallError("sendmsg", errno, path);
  };
  return {
    send,
    async deliver(text, descriptors) {
      for (let attempt = 0; attempt < RETRIES; attempt += 1) {
        if (send(text, descriptors)) return true;
        await sleep(RETRY_MS);
      }
      return false;
    },
    close: () => closeSync(fd),
  };
}

/** struct msghdr of 64-bit systems, with all that it points at. */
class Message {
  readonly header: Buffer = Buffer.alloc(56);
  readonly data: Buffer;
  readonly parts: readonly Buffer[];

  constructor(address: Buffer, data: Buffer, control: Buffer) {
    const vector = Buffer.alloc(16);
    this.data = data;
    vector.writeBigUInt64LE(addressOf(data), 0);
    vector.writeBigUInt64LE(BigInt(data.length), 8);
    this.header.writeBigUInt64LE(addressOf(address), 0);
    this.header.writeUInt32LE(address.length, 8);
    this.header.writeBigUInt64LE(addressOf(vector), 16);
    this.header.writeBigUInt64LE(1n, 24);
    if (control.length > 0) this.header.writeBigUInt64LE(addressOf(control), 32);
    this.header.writeBigUInt64LE(BigInt(control.length), 40);
    this.parts = [address, control, vector];
  }
}

/** The control message that carries descriptors; empty when there are none. */
function encodeRights(descriptors: readonly number[]): Buffer {
  if (descriptors.length === 0) return Buffer.alloc(0);
  const length = 16 + 4 * descriptors.length;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of descriptors.entries()) control.writeInt32LE(fd, 16 + 4 * index);
  return control;
}

/** sockaddr_un: an abstract name begins with NUL and has no other end than the length. */
export function encodeUnixAddress(path: string): Buffer {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, Buffer.from(name)]);
}
