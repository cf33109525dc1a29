import type { MessagePort, Worker } from "node:worker_threads";

import type { ClonedFrame, PoolTransport } from "./link.ts";

/** A program may have the declarations of browsers as well as those of Node.js, and they list other objects to transfer. */
interface TransferPort {
  postMessage(message: unknown, transfer: readonly unknown[]): void;
}

/** The first message of a new thread. The frames of the pool use only this port. */
export interface ThreadInit {
  readonly port: MessagePort;
  /** The progress record. */
  readonly progress: Int32Array;
}

/** The most messages read in one turn, so that timers and sockets of the worker get their turn. */
const MAX_MESSAGES = 1_000;

/**
 * The transport between threads: the bytes of a turn as one transferred message; and separate
 * values if memory is to be shared or transferred.
 *
 * Messages that have arrived are read together, as one turn: a later message about a task (its
 * cancellation) is known before the task begins.
 *
 * @param worker - the thread at the other end, seen from its creator: the transport ends with the thread
 */
export function threadTransport(port: MessagePort, worker?: Worker): PoolTransport {
  const transfers: TransferPort = port;
  const { receiveMessageOnPort } = process.getBuiltinModule("node:worker_threads");
  const transport: PoolTransport = {
    peer: "another thread",
    pendingBytes: 0,
    start(receiver) {
      const take = (message: unknown): void => {
        if (message instanceof Uint8Array)
          receiver.bytes(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
        else transport.onClone?.(message as ClonedFrame);
      };
      const takeAll = (): void => {
        for (let taken = 0; taken < MAX_MESSAGES; taken += 1) {
          const next = receiveMessageOnPort(port);
          if (next === undefined) return;
          take(next.message);
        }
      };
      port.on("message", (message: unknown) => {
        transport.turn?.(() => {
          take(message);
          takeAll();
        });
      });
      if (worker === undefined) {
        port.on("close", () => receiver.closed());
        return;
      }
      worker.once("exit", () => {
        transport.turn?.(takeAll);
        port.close();
        receiver.closed();
      });
      // The pool itself keeps the program alive.
      port.unref();
    },
    send(chunk) {
      const copy = new Uint8Array(chunk);
      port.postMessage(copy, [copy.buffer]);
      return true;
    },
    sendAll: (chunks) => chunks.map((chunk) => transport.send(chunk)).every(Boolean),
    sendClone: (frame, transfer) => transfers.postMessage(frame, [...transfer]),
    pause: () => undefined,
    resume: () => undefined,
    close: () => undefined,
    abort: () => undefined,
  };
  return transport;
}
