import assert from "node:assert/strict";
import { closeSync } from "node:fs";

import { addressOf, libc } from "../../src/posix/libc.ts";
import type { Scope } from "./resources.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const bind = libc("int bind(int fd, const void *address, uint32_t length)");
const receive = libc("long recvmsg(int fd, void *message, int flags)");
const DONTWAIT_CLOEXEC = 0x4000_0040;

interface Datagram {
  readonly text: string;
  /** A descriptor that came with it. */
  readonly fd?: number;
}

/** What systemd would be: a datagram socket (abstract with `@`), its messages in order. */
export function listenToNotify(scope: Scope, path: string): () => string[] {
  const datagrams = listenToDatagrams(scope, path);
  return () => datagrams().map(({ text }) => text);
}

/** The same with the descriptors that were passed; they are closed after the test. */
export function listenToDatagrams(scope: Scope, path: string): () => readonly Datagram[] {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name)]);
  const fd = socket(1, 2 | 0o2000000, 0);
  assert.equal(bind(fd, address, address.length), 0);
  scope.after(() => closeSync(fd));
  const datagrams: Datagram[] = [];
  return () => {
    for (let next = receiveOne(fd); next !== undefined; next = receiveOne(fd)) {
      const { fd: passed } = next;
      if (passed !== undefined) scope.after(() => closeSync(passed));
      datagrams.push(next);
    }
    return datagrams;
  };
}

/** recvmsg(2) with room for one descriptor, on a 64-bit system. */
function receiveOne(fd: number): Datagram | undefined {
  const [data, control, vector, header] = [4_096, 24, 16, 56].map((size) => Buffer.alloc(size));
  assert.ok(data !== undefined && control !== undefined);
  assert.ok(vector !== undefined && header !== undefined);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  const length = receive(fd, header, DONTWAIT_CLOEXEC);
  if (length <= 0) return undefined;
  const text = data.toString("utf8", 0, length);
  const hasRights = header.readBigUInt64LE(40) > 0n && control.readInt32LE(12) === 1;
  return hasRights ? { text, fd: control.readInt32LE(16) } : { text };
}

/** The first line of each message, STATUS aside. */
export function headsOf(messages: readonly string[]): string[] {
  return messages
    .map((message) => message.split("\n")[0] ?? "")
    .filter((line) => !line.startsWith("STATUS"));
}
