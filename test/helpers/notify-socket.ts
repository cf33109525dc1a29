import { closeSync } from "node:fs";

import { bindDatagramReceiver, type Datagram } from "../../src/posix/receive.ts";
import type { Scope } from "./resources.ts";

/** Stands in for systemd: a datagram socket (abstract with `@`) and its messages in order. */
export function listenToNotify(scope: Scope, path: string): () => string[] {
  const datagrams = listenToDatagrams(scope, path);
  return () => datagrams().map(({ text }) => text);
}

/** Like {@link listenToNotify}, but with the descriptors that were passed; they are closed after the test. */
export function listenToDatagrams(scope: Scope, path: string): () => readonly Datagram[] {
  const receiver = bindDatagramReceiver(path);
  scope.after(() => receiver.close());
  const datagrams: Datagram[] = [];
  return () => {
    for (let next = receiver.receive(); next !== undefined; next = receiver.receive()) {
      const { fd: passed } = next;
      if (passed !== undefined) scope.after(() => closeSync(passed));
      datagrams.push(next);
    }
    return datagrams;
  };
}

/** The first line of each message, without STATUS messages. */
export function headsOf(messages: readonly string[]): string[] {
  return messages
    .map((message) => message.split("\n")[0] ?? "")
    .filter((line) => !line.startsWith("STATUS"));
}
