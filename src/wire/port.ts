import type { MessagePort, Worker } from "node:worker_threads";

import { openConnection, type Connection, type ConnectOptions } from "./client.ts";
import type { Contract } from "./contract.ts";
import { ownFace, Sessions, type ServeOptions, type WireServer } from "./server.ts";
import type { Transport } from "./transport.ts";

/** The wire between threads: a MessagePort, or a Worker seen by its creator. */
export type Port = MessagePort | Worker;

/**
 * Serves a contract at one end of a port.
 *
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export function servePort<Api>(
  port: Port,
  contract: Contract<Api>,
  implementation: Api,
  options: ServeOptions = {},
): WireServer {
  const sessions = new Sessions(contract, implementation, options);
  sessions.accept(portTransport(port, "another thread"));
  return ownFace(sessions, (graceMs) => sessions.closeAll(graceMs));
}

/**
 * Connects to the server of a contract at the other end of a port.
 *
 * @throws NEWEL_E_DEADLINE when no server answers there within `timeoutMs`
 * @throws NEWEL_E_VERSION_SKEW when the server has another contract, or another version of it
 */
export function connectPort<Api>(
  port: Port,
  contract: Contract<Api>,
  options: ConnectOptions = {},
): Promise<Connection<Api>> {
  return openConnection(portTransport(port, "another thread"), contract, options);
}

/** Marks the end of the bytes, because a Worker's own port cannot be closed. */
const END = null;

/** A transport over a port. Sent bytes leave immediately: only credit and windows bound them. */
function portTransport(port: Port, peer: string): Transport {
  let isClosed = false;
  let onClosed: (error?: Error) => void = () => undefined;
  const send = (chunk: Buffer): boolean => {
    // A separate copy: with a view, the whole memory behind it would be copied instead of
    // transferred.
    const copy = Uint8Array.from(chunk);
    port.postMessage(copy, [copy.buffer]);
    return true;
  };
  const finish = (error?: Error): void => {
    if (isClosed) return;
    isClosed = true;
    if ("close" in port) port.close();
    onClosed(error);
  };
  const close = (): void => {
    if (isClosed) return;
    port.postMessage(END, []);
    // As with a socket, the end is reported in a later turn.
    setImmediate(() => finish());
  };
  return {
    peer,
    pendingBytes: 0,
    start(receiver) {
      onClosed = (error) => receiver.closed(error);
      port.on("message", (message: unknown) => {
        if (isClosed) return;
        if (message instanceof Uint8Array)
          receiver.bytes(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
        else finish(message === END ? undefined : new TypeError("a message that is no bytes"));
      });
      port.on("messageerror", finish);
      port.on("error", finish);
      port.on("close" in port ? "close" : "exit", () => finish());
    },
    send,
    sendAll: (chunks) => chunks.map(send).every(Boolean),
    // A port cannot be paused; a thread of the same program is trusted not to send too much.
    pause: () => undefined,
    resume: () => undefined,
    close,
    abort: close,
  };
}
