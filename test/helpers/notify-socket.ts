import assert from "node:assert/strict";
import { closeSync } from "node:fs";

import { libc } from "../../src/posix/libc.ts";
import type { Scope } from "./resources.ts";

const socket = libc("int socket(int family, int type, int protocol)");
const bind = libc("int bind(int fd, const void *address, uint32_t length)");
const receive = libc("long recv(int fd, void *buffer, size_t length, int flags)");

/** What systemd would be: a datagram socket (abstract with `@`), its messages in order. */
export function listenToNotify(scope: Scope, path: string): () => string[] {
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name)]);
  const fd = socket(1, 2 | 0o2000000, 0);
  assert.equal(bind(fd, address, address.length), 0);
  scope.after(() => closeSync(fd));
  const messages: string[] = [];
  const buffer = Buffer.alloc(4_096);
  return () => {
    for (;;) {
      const length = receive(fd, buffer, buffer.length, 0x40);
      if (length <= 0) return messages;
      messages.push(buffer.toString("utf8", 0, length));
    }
  };
}

/** The first line of each message, STATUS aside. */
export function headsOf(messages: readonly string[]): string[] {
  return messages
    .map((message) => message.split("\n")[0] ?? "")
    .filter((line) => !line.startsWith("STATUS"));
}
