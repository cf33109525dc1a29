import type { Socket } from "node:net";

import { hasCode, isNewelError, messageOf, newelError } from "../base/errors.ts";
import { within } from "../base/timers.ts";
import { makeRemote, namedMethods, type Contract, type Methods, type Remote } from "./contract.ts";
import type { WireLimits } from "./limits.ts";
import { Session } from "./session.ts";
import type { Transport } from "./transport.ts";

/** Options of a connection besides the address and the contract. */
export interface ConnectOptions {
  /** How long to wait for the peer to answer, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Whether the connection keeps the process alive until it is closed. Default true. */
  readonly keepAlive?: boolean;
  readonly limits?: Partial<WireLimits>;
}

/** A connection to the server of a contract. */
export interface Connection<Api> extends AsyncDisposable {
  readonly remote: Remote<Api>;
  /** The same methods by name, for code that learns the names at run time. */
  readonly methods: Methods;
  /** Resolves when the connection has ended, by either side, with the reason if there is one. */
  readonly closed: Promise<Error | undefined>;
  /** Ends it; calls in flight reject with NEWEL_E_CONNECTION_LOST. */
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Waits until a socket is connected (and, over TLS, has completed its handshake), then for a HELLO that matches the contract.
 *
 * @param wrap - checks the other end before anything is sent, and makes the transport
 */
export async function connectSocket<Api>(
  socket: Socket,
  event: "connect" | "secureConnect",
  contract: Contract<Api>,
  options: ConnectOptions,
  wrap: (leftMs: number) => Promise<Transport>,
): Promise<Connection<Api>> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const deadline = performance.now() + timeoutMs;
  if (options.keepAlive === false) socket.unref();
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(closedByPeer()));
  });
  try {
    await within(connected, timeoutMs, "connecting");
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const leftMs = (): number => Math.max(1, Math.round(deadline - performance.now()));
  try {
    const transport = await wrap(leftMs());
    return await openConnection(transport, contract, { ...options, timeoutMs: leftMs() });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Opens a session over a transport that is connected. */
export async function openConnection<Api>(
  transport: Transport,
  contract: Contract<Api>,
  options: ConnectOptions,
): Promise<Connection<Api>> {
  const { name, version } = contract;
  const session = new Session(transport, {
    expects: { name, version },
    limits: { ...options.limits, helloMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS },
  });
  const close = async (): Promise<void> => session.close();
  const table = await session.ready;
  return {
    remote: makeRemote(session.caller, contract, table),
    methods: namedMethods(session.caller, table),
    closed: session.closed,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The error of a failed connection. Its cause has the system's code (`ENOENT`, `ECONNREFUSED`, …).
 */
export function unreachable(path: string, error: unknown): Error {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return unreachable(path, closedByPeer(error));
  if (isNewelError(error) && error.code !== "NEWEL_E_DEADLINE") return error;
  return newelError(
    "NEWEL_E_UNREACHABLE",
    { path, why: messageOf(error).replace(/\.$/, "") },
    error,
  );
}

/** A server that shuts down closes connections that it has not greeted yet. */
export function closedByPeer(cause?: unknown): Error {
  return Object.assign(new Error("it closed the connection", { cause }), { code: "ECONNRESET" });
}
