import { Worker, type MessagePort } from "node:worker_threads";

import type { ClonedFrame, PoolTransport } from "./link.ts";

/**
 * The transport between threads: bytes of a turn as one message, handed over; and values by
 * themselves where memory is to be shared or handed over. Its end is the end of the thread.
 */
export function threadTransport(port: MessagePort | Worker): PoolTransport {
  const transport: PoolTransport = {
    peer: "another thread",
    pendingBytes: 0,
    start(receiver) {
      port.on("message", (message: unknown) => {
        if (message instanceof Uint8Array)
          receiver.bytes(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
        else transport.onClone?.(message as ClonedFrame);
      });
      port.on("close" in port ? "close" : "exit", () => receiver.closed());
      // Seen from its creator: listening to it made it keep the program going.
      if (port instanceof Worker) port.unref();
    },
    send(chunk) {
      const copy = Uint8Array.from(chunk);
      port.postMessage(copy, [copy.buffer]);
      return true;
    },
    sendAll: (chunks) => chunks.map((chunk) => transport.send(chunk)).every(Boolean),
    sendClone: (frame, transfer) => port.postMessage(frame, [...transfer]),
    pause: () => undefined,
    resume: () => undefined,
    close: () => undefined,
    abort: () => undefined,
  };
  return transport;
}
