import { closeSync } from "node:fs";

import { sleep } from "../base/timers.ts";
import { checked, errnoName, lastErrno, libc, syscallError } from "./libc.ts";
import { encodeRights, encodeUnixAddress, Message } from "./message.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const sendmsg = libc("long sendmsg(int fd, const void *message, int flags)");

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** A full queue means that its reader is busy: the number of retries, and the milliseconds between them. */
const RETRIES = 50;
const RETRY_MS = 20;

/** Datagrams to one Unix socket. */
export interface DatagramSender {
  /**
   * Sends one datagram without waiting; returns `false` when the receiver's queue is full.
   *
   * @param descriptors - the receiver gets copies of these with the datagram
   */
  send(text: string, descriptors?: readonly number[]): boolean;
  /** Sends one datagram, and waits for at most a second for room in the queue. */
  deliver(text: string, descriptors?: readonly number[]): Promise<boolean>;
  close(): void;
}

/**
 * Opens a sender to the datagram socket at a path, or at an abstract name after `@`, as in systemd's
 * NOTIFY_SOCKET.
 */
export function openDatagramSender(path: string): DatagramSender {
  const address = encodeUnixAddress(path);
  const fd = checked(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", path);
  const send: DatagramSender["send"] = (text, descriptors = []) => {
    const message = new Message(Buffer.from(text), encodeRights(descriptors), address);
    const sent = sendmsg(fd, message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
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
