import type { Socket } from "node:net";

import type { Connection } from "../../src/wire/client.ts";
import { MESSAGE_BYTES, type Echo } from "./common.ts";

/** Runs for some milliseconds and gives how many calls a second it made. */
export type Variant = (ms: number) => Promise<number>;

/** Messages back and forth over a bare socket, each with a separate write. */
export function rawVariant(socket: Socket, inFlight: number): Variant {
  const message = Buffer.alloc(MESSAGE_BYTES, 65);
  return (ms) =>
    new Promise((resolve) => {
      const start = performance.now();
      let [pending, answers, bytes] = [inFlight, 0, 0];
      const onData = (chunk: Buffer): void => {
        const isOver = performance.now() - start > ms;
        for (bytes += chunk.length; bytes >= MESSAGE_BYTES; bytes -= MESSAGE_BYTES) {
          answers += 1;
          if (isOver) pending -= 1;
          else socket.write(message);
        }
        if (pending > 0) return;
        socket.off("data", onData);
        resolve((answers * 1_000) / (performance.now() - start));
      };
      socket.on("data", onData);
      for (let sent = 0; sent < inFlight; sent += 1) socket.write(message);
    });
}

/** Calls, a fixed number of them in flight at any time. */
export function callVariant(call: () => Promise<unknown>, inFlight: number): Variant {
  return async (ms) => {
    const start = performance.now();
    let answers = 0;
    const caller = async (): Promise<void> => {
      while (performance.now() - start < ms) {
        await call();
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return (answers * 1_000) / (performance.now() - start);
  };
}

/** A number of calls made at once, and all awaited, again and again. */
export function burstVariant(call: () => Promise<unknown>, atOnce: number): Variant {
  return async (ms) => {
    const start = performance.now();
    let answers = 0;
    while (performance.now() - start < ms) {
      await Promise.all(Array.from({ length: atOnce }, call));
      answers += atOnce;
    }
    return (answers * 1_000) / (performance.now() - start);
  };
}

/** Items of one long stream. */
export function streamVariant(connection: Connection<Echo>): Variant {
  return async (ms) => {
    const start = performance.now();
    let items = 0;
    for await (const _ of connection.remote.numbers(Number.MAX_SAFE_INTEGER)) {
      items += 1;
      if (items % 1_024 === 0 && performance.now() - start > ms) break;
    }
    return (items * 1_000) / (performance.now() - start);
  };
}
