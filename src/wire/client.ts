import type { Socket } from "node:net";

import { hasCode, isNewelError, messageOf, newelError } from "../base/errors.ts";
import { within } from "../base/timers.ts";
import { makeRemote, namedMethods, type Contract, type Methods, type Remote } from "./contract.ts";
import type { WireLimits } from "./limits.ts";
import { Session } from "./session.ts";
import type { Transport } from "./transport.ts";

/** What connecting takes beside the address and the contract. */
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
  /** The same methods by their names, for code that learns those at run time. */
  readonly methods: Methods;
  /** Resolves when the connection is gone, whoever ended it, with the reason if there is one. */
  readonly closed: Promise<Error | undefined>;
  /** Ends it; calls in flight reject with NEWEL_E_CONNECTION_LOST. */
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** Waits until a socket is connected (and, over TLS, has proved itself), then until the peer fits. */
export async function connectSocket<Api>(
  socket: Socket,
  event: "connect" | "secureConnect",
  contract: Contract<Api>,
  options: ConnectOptions,
  wrap: () => Transport,
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
  const left = Math.max(1, Math.round(deadline - performance.now()));
  return openConnection(wrap(), contract, { ...options, timeoutMs: left });
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

/** What a failed connection is called; its cause has the system's code (`ENOENT`, `ECONNREFUSED`, …). */
export function unreachable(path: string, error: unknown): Error {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return unreachable(path, closedByPeer(error));
  if (isNewelError(error) && error.code !== "NEWEL_E_DEADLINE") return error;
  return newelError(
    "NEWEL_E_UNREACHABLE",
    { path, why: messageOf(error).replace(/\.$/, "") },
    error,
  );
}

/** A server that ends closes connections it has not greeted yet. */
function closedByPeer(cause?: unknown): Error {
  return Object.assign(new Error("it closed the connection", { cause }), { code: "ECONNRESET" });
}
