import { randomBytes, timingSafeEqual } from "node:crypto";
import { connect as connectPlain, createServer as createPlainServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { SecureContextOptions, TLSSocket } from "node:tls";

import { hasCode, messageOf, newelError, systemCode } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import { tcpPeerUid } from "../posix/tcp-peer.ts";
import { anotherProgram } from "./another-program.ts";
import {
  closedByPeer,
  connectSocket,
  unreachable,
  type Connection,
  type ConnectOptions,
} from "./client.ts";
import type { Contract } from "./contract.ts";
import { Guesses } from "./guesses.ts";
import { DEFAULT_LIMITS, type WireLimits } from "./limits.ts";
import { deriveKey, type SecretKey } from "./secret.ts";
import { ownFace, listen, Sessions, type ServeOptions, type WireServer } from "./server.ts";
import { ReadBuffer, socketTransport } from "./transport.ts";
import { checkTrusted, isTrusted } from "./trust.ts";

/**
 * The wire over TCP: TLS 1.3 with a pre-shared key and no certificates. A peer that does not know
 * the secret gets no further than the handshake, and is slowed down when it guesses; a recorded
 * connection does not help an attacker later, because each connection has its own keys. Without a
 * secret the wire stays on this machine, and both ends ask the operating system for the uid of the
 * other end before they send.
 */

/** The address at which a server listens or is reached. */
export interface TcpAddress {
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string;
  /** 0 lets the operating system choose when listening. */
  readonly port: number;
  /** The secret that both sides know, or the key derived from it. Without a secret the connection is not encrypted. */
  readonly secret?: string | SecretKey;
}

/** A server with its port. */
export interface TcpServer extends WireServer {
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";
const LOCAL_HOSTS: ReadonlySet<string> = new Set([LOOPBACK, "::1", "localhost"]);
const HEARTBEAT_MS = 15_000;

/** Only suites with SHA-256 work with a key that names no hash. */
const TLS_OPTIONS: SecureContextOptions = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256",
};

/**
 * Serves a contract at a port.
 *
 * @throws NEWEL_E_SECRET when there is no secret and the address is reachable from other machines
 * @throws NEWEL_E_ADDRESS_IN_USE
 * @throws NEWEL_E_CONTRACT when the implementation lacks a method
 */
export async function serveTcp<Api>(
  address: TcpAddress,
  contract: Contract<Api>,
  implementation: Api,
  options: ServeOptions = {},
): Promise<TcpServer> {
  const host = address.host ?? LOOPBACK;
  const limits = tcpLimits(options.limits);
  const sessions = new Sessions(contract, implementation, { ...options, limits });
  const accept = (socket: Socket): void =>
    sessions.accept(socketTransport(socket, peerName(socket)));
  const server =
    address.secret === undefined
      ? createLocalServer(host, sessions, accept)
      : createSecretServer(await keyOf(address.secret, contract.name), limits, sessions, accept);
  // Exclusive: otherwise several workers of node:cluster would share the same port.
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
  const guesses = new Guesses();
  const tls = createTlsServer({
    ...TLS_OPTIONS,
    handshakeTimeout: limits.helloMs ?? DEFAULT_LIMITS.helloMs,
    // An unknown name gets a random key, so that it fails like a wrong secret.
    pskCallback: (_socket, name) => (sameText(name, identity) ? key : randomBytes(key.length)),
  });
  tls.on("secureConnection", (socket) => {
    guesses.succeeded(socket.remoteAddress ?? "");
    accept(socket);
  });
  tls.on("tlsClientError", (error, socket: TLSSocket) => {
    const peer = peerName(socket);
    const count = isGuess(error)
      ? guesses.failed(socket.remoteAddress ?? "", performance.now())
      : undefined;
    socket.destroy();
    const nth = count === undefined ? "" : `; wrong secret number ${count} of this address`;
    const why = `${reasonOf(error)}${nth}`;
    sessions.refused(newelError("NEWEL_E_SECRET", { peer, why }, error), peer);
  });
  return createPlainServer({ pauseOnConnect: true }, (socket) => {
    // Until TLS handles the socket, a reset of the connection must not end the process.
    socket.on("error", () => socket.destroy());
    const ip = socket.remoteAddress ?? "";
    const delayMs = guesses.delayMs(ip, performance.now());
    if (delayMs === undefined) socket.destroy();
    else if (delayMs === 0) tls.emit("connection", socket);
    else
      setTimeout(() => {
        guesses.begun(ip);
        if (!socket.destroyed) tls.emit("connection", socket);
      }, delayMs).unref();
  });
}

/** A client that disconnected, or speaks another protocol, has tried no secret. */
const NO_GUESS: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_HTTP_REQUEST",
]);

function isGuess(error: unknown): boolean {
  const code = systemCode(error) ?? "";
  return code.startsWith("ERR_SSL_") && !NO_GUESS.has(code);
}

/** Accepts processes of the same user and of root. */
function createLocalServer(
  host: string,
  sessions: Pick<Sessions<unknown>, "refused">,
  accept: (socket: Socket) => void,
): Server {
  checkLocal(host, "serving other users and machines without one is refused");
  return createPlainServer((socket) => {
    // Until the session handles the socket, a reset of the connection must not end the process.
    socket.on("error", () => socket.destroy());
    const refuse = (error: Error): void => {
      const peer = peerName(socket);
      socket.destroy();
      sessions.refused(error, peer);
    };
    tcpPeerUid(socket).then((uid) => {
      if (uid === undefined || !isTrusted(uid))
        refuse(newelError("NEWEL_E_REFUSED_UID", { uid: uid ?? "unknown" }));
      else if (!socket.destroyed) accept(socket);
    }, refuse);
  });
}

/** @throws NEWEL_E_SECRET when the peer of such a connection cannot be checked */
function checkLocal(host: string, why: string): void {
  if (!LOCAL_HOSTS.has(host)) throw newelError("NEWEL_E_SECRET", { peer: host, why });
  if (process.platform !== "linux")
    throw newelError("NEWEL_E_SECRET", {
      peer: host,
      why: "without one the user of a peer is checked, and only Linux can do that",
    });
}

/**
 * Waits until the operating system reports which user owns the other end, which it does once the
 * connection was accepted, and until it is closed.
 *
 * @throws NEWEL_E_REFUSED_UID
 * @throws NEWEL_E_FRAME when another program sent text and closed the connection before that
 */
async function checkServer(
  socket: Socket,
  readBuffer: ReadBuffer,
  timeoutMs: number,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (let waitMs = 1; performance.now() < until; waitMs = Math.min(50, waitMs * 2)) {
    const uid = await tcpPeerUid(socket);
    if (uid !== undefined) return checkTrusted(uid);
    if (socket.destroyed) throw anotherProgram(readBuffer.early) ?? closedByPeer();
    await sleep(waitMs);
  }
  throw newelError("NEWEL_E_DEADLINE", { what: "the accept of the server", limitMs: timeoutMs });
}

/**
 * Connects to the server of a contract.
 *
 * @throws NEWEL_E_SECRET when the two sides have different secrets, or there is no secret for
 * another machine
 * @throws NEWEL_E_REFUSED_UID when there is no secret and another user has the port
 * @throws NEWEL_E_UNREACHABLE when no server answers there within `timeoutMs`
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
      checkLocal(host, "another machine is reached with one only");
      const readBuffer = new ReadBuffer();
      const socket = connectPlain({ host, port, onread: readBuffer.onread });
      return await connectSocket(socket, "connect", contract, withHeartbeat, async (leftMs) => {
        await checkServer(socket, readBuffer, leftMs);
        return socketTransport(socket, peer, readBuffer);
      });
    }
    const { identity, key } = await keyOf(secret, contract.name);
    const socket = connectTls({
      ...TLS_OPTIONS,
      host,
      port,
      pskCallback: () => ({ psk: key, identity }),
      // There are no certificates: the key authenticates both sides.
      checkServerIdentity: () => undefined,
    });
    return await connectSocket(socket, "secureConnect", contract, withHeartbeat, async () =>
      socketTransport(socket, peer),
    );
  } catch (error) {
    throw connectionFailure(peer, error, secret !== undefined);
  }
}

/** Network errors that are unrelated to the secret. */
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
  if (isOfConnect(cause) || NETWORK_ERRORS.has(systemCode(cause) ?? "")) return failure;
  const why = hasSecret
    ? /wrong version number|packet length|unknown protocol/.test(reasonOf(cause))
      ? "it does not speak TLS: another program has the port, or an owner without a secret"
      : `the handshake failed (${reasonOf(cause)})`
    : "it closed the connection; it may want a secret, or be another program";
  return newelError("NEWEL_E_SECRET", { peer, why }, cause);
}

/** Whether connect(2) itself failed, with ECONNRESET where the server ended before it accepted. */
function isOfConnect(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "connect";
}

/** OpenSSL's messages contain source lines; only the reason is shown. */
function reasonOf(error: unknown): string {
  const hasReason = typeof error === "object" && error !== null && "reason" in error;
  return hasReason && typeof error.reason === "string" ? error.reason : messageOf(error);
}

async function keyOf(secret: string | SecretKey, name: string): Promise<SecretKey> {
  return typeof secret === "string" ? deriveKey(secret, name) : secret;
}

/** Across a network the loss of a peer is not always reported. */
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
