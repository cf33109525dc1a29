import { randomBytes, timingSafeEqual } from "node:crypto";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { SecureContextOptions, TLSSocket } from "node:tls";

import { hasCode, messageOf, newelError, systemCode } from "../base/errors.ts";
import { connectSocket, unreachable, type Connection, type ConnectOptions } from "./client.ts";
import type { Contract } from "./contract.ts";
import { DEFAULT_LIMITS, type WireLimits } from "./limits.ts";
import { deriveKey, type SecretKey } from "./secret.ts";
import { ownFace, listen, Sessions, type ServeOptions, type WireServer } from "./server.ts";
import { ReadBuffer, socketTransport } from "./transport.ts";

/**
 * The wire over TCP: TLS 1.3 with a pre-shared key and no certificates. Who does not know the secret
 * gets no further than the handshake; who records it learns nothing later, since each connection has
 * keys of its own.
 */

/** Where a server listens or is reached. */
export interface TcpAddress {
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string;
  /** 0 lets the operating system choose when listening. */
  readonly port: number;
  /** What both sides know, or the key derived from it. Without one nothing is encrypted. */
  readonly secret?: string | SecretKey;
}

export interface ServeTcpOptions extends ServeOptions {
  /**
   * Decides about each connection of a server without a secret, which needs one: every user of the
   * machine can reach a port.
   */
  readonly admit?: (socket: Socket) => Promise<boolean>;
}

/** A server with its port. */
export interface TcpServer extends WireServer {
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";
const HEARTBEAT_MS = 15_000;

/** Only suites with SHA-256 go with a key that names no hash of its own. */
const TLS_OPTIONS: SecureContextOptions = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256",
};

/**
 * Serves a contract at a port.
 *
 * @throws NEWEL_E_SECRET when there is neither a secret nor, on this machine alone, `admit`
 * @throws NEWEL_E_ADDRESS_IN_USE
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export async function serveTcp<Api>(
  address: TcpAddress,
  contract: Contract<Api>,
  implementation: Api,
  options: ServeTcpOptions = {},
): Promise<TcpServer> {
  const host = address.host ?? LOOPBACK;
  const limits = tcpLimits(options.limits);
  const sessions = new Sessions(contract, implementation, { ...options, limits });
  const accept = (socket: Socket): void =>
    sessions.accept(socketTransport(socket, peerName(socket)));
  const server =
    address.secret === undefined
      ? createAdmittingServer(host, options, sessions, accept)
      : createSecretServer(await keyOf(address.secret, contract.name), limits, sessions, accept);
  // Exclusive: workers of node:cluster would else all "win" the same port.
  const where = { host, port: address.port, exclusive: true };
  await listen(server, where, `${host}:${address.port}`);
  server.on("error", (error) => sessions.refused(error, host));
  const face = ownFace(sessions, (graceMs) => sessions.close(server, graceMs));
  return Object.assign(face, { port: (server.address() as AddressInfo).port });
}

function createSecretServer(
  { identity, key }: SecretKey,
  limits: Partial<WireLimits>,
  sessions: Pick<Sessions<unknown>, "refused">,
  accept: (socket: Socket) => void,
): Server {
  const server = createTlsServer({
    ...TLS_OPTIONS,
    handshakeTimeout: limits.helloMs ?? DEFAULT_LIMITS.helloMs,
    // An unknown name gets a key nobody has, so that it fails like a wrong secret.
    pskCallback: (_socket, name) => (sameText(name, identity) ? key : randomBytes(key.length)),
  });
  server.on("secureConnection", accept);
  server.on("tlsClientError", (error, socket: TLSSocket) => {
    const peer = peerName(socket);
    socket.destroy();
    sessions.refused(newelError("NEWEL_E_SECRET", { peer, why: reasonOf(error) }, error), peer);
  });
  return server;
}

function createAdmittingServer(
  host: string,
  { admit }: ServeTcpOptions,
  sessions: Pick<Sessions<unknown>, "refused">,
  accept: (socket: Socket) => void,
): Server {
  if (admit === undefined || !["127.0.0.1", "::1", "localhost"].includes(host))
    throw newelError("NEWEL_E_SECRET", {
      peer: host,
      why: "serving other users and machines without one is refused",
    });
  return createPlainServer((socket) => {
    // Until the session has it, a reset of the connection must not end the process.
    socket.on("error", () => socket.destroy());
    const refuse = (error?: unknown): void => {
      const peer = peerName(socket);
      socket.destroy();
      const why = error === undefined ? "it was not admitted" : messageOf(error);
      sessions.refused(newelError("NEWEL_E_SECRET", { peer, why }, error), peer);
    };
    admit(socket).then((admitted) => {
      if (!admitted) refuse();
      else if (!socket.destroyed) accept(socket);
    }, refuse);
  });
}

/**
 * Connects to the server of a contract.
 *
 * @throws NEWEL_E_SECRET when the two sides do not have the same secret
 * @throws NEWEL_E_UNREACHABLE when nobody answers there within `timeoutMs`
 * @throws NEWEL_E_VERSION_SKEW when the server has another contract, or another version of it
 */
export async function connectTcp<Api>(
  address: TcpAddress,
  contract: Contract<Api>,
  options: ConnectOptions = {},
): Promise<Connection<Api>> {
  const { host = LOOPBACK, port, secret } = address;
  const peer = `${host}:${port}`;
  const withHeartbeat = { ...options, limits: tcpLimits(options.limits) };
  try {
    if (secret === undefined) {
      const readBuffer = new ReadBuffer();
      const socket = connectPlain({ host, port, onread: readBuffer.onread });
      return await connectSocket(socket, "connect", contract, withHeartbeat, () =>
        socketTransport(socket, peer, readBuffer),
      );
    }
    const { identity, key } = await keyOf(secret, contract.name);
    const socket = connectTls({
      ...TLS_OPTIONS,
      host,
      port,
      pskCallback: () => ({ psk: key, identity }),
      // There are no certificates: the key proves both sides.
      checkServerIdentity: () => undefined,
    });
    return await connectSocket(socket, "secureConnect", contract, withHeartbeat, () =>
      socketTransport(socket, peer),
    );
  } catch (error) {
    throw connectionFailure(peer, error, secret !== undefined);
  }
}

/** Errors of the network that have nothing to do with the secret. */
const NETWORK_ERRORS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
]);

function connectionFailure(peer: string, error: unknown, hasSecret: boolean): Error {
  const failure = unreachable(peer, error);
  if (!hasCode(failure, "NEWEL_E_UNREACHABLE") || hasCode(error, "NEWEL_E_DEADLINE"))
    return failure;
  const cause = failure.cause;
  if (NETWORK_ERRORS.has(systemCode(cause) ?? "")) return failure;
  const why = hasSecret
    ? `the handshake failed (${reasonOf(cause)})`
    : "it closed the connection; it may want a secret";
  return newelError("NEWEL_E_SECRET", { peer, why }, cause);
}

/** OpenSSL's messages have the lines of its sources; the reason alone is said. */
function reasonOf(error: unknown): string {
  const hasReason = typeof error === "object" && error !== null && "reason" in error;
  return hasReason && typeof error.reason === "string" ? error.reason : messageOf(error);
}

async function keyOf(secret: string | SecretKey, name: string): Promise<SecretKey> {
  return typeof secret === "string" ? deriveKey(secret, name) : secret;
}

/** Across a network the peer's death is not always told of. */
function tcpLimits(limits: Partial<WireLimits> | undefined): Partial<WireLimits> {
  return { heartbeatMs: HEARTBEAT_MS, ...limits };
}

function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function peerName(socket: Socket): string {
  return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
}
