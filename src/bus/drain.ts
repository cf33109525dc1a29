import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Server as NetServer, Socket } from "node:net";

import { acceptQueued } from "../base/accept-queue.ts";
import { announceDrain } from "../base/draining.ts";
import { afterTwoPolls, type FairClock, openFairClock } from "../base/fair-time.ts";
import { leaveSession } from "../base/go-away.ts";
import { sleep } from "../base/timers.ts";

/** The result of a drain. */
export interface DrainReport {
  /** Connections that were still in use at the end of the grace, and were closed by force. */
  readonly cut: number;
  readonly durationMs: number;
}

export interface DrainOptions {
  /** The time limit of work in progress, in milliseconds. */
  readonly graceMs: number;
  /** The time that a quiet connection is kept open for a request in transit, in milliseconds. */
  readonly lingerMs: number;
}

/** The time that quiet connections are kept, and the clock that measures it. */
interface Linger {
  readonly lingerMs: number;
  readonly clock: FairClock;
}

interface Connection {
  /** The TCP connection below a TLS connection. */
  readonly below: Socket | undefined;
  /** The responses that are not complete. */
  readonly active: Set<ServerResponse>;
  /** The bytes read when it last became idle: a larger number means that a request is arriving. */
  idleAtBytes: number;
  /** The same for the connection below: an incomplete TLS record is visible only there. */
  idleAtBytesBelow: number;
  /** Not HTTP, or not any more: it stays open until it ends or the grace is over. */
  opaque: boolean;
  /** Its next response is its last. */
  last: boolean;
  /** The idle time in which a linger runs, by its `idleAtBytes`. */
  lingersAtBytes: number | undefined;
}

/** The connection whose request the running code handles. */
const answering = new AsyncLocalStorage<Socket>();

/**
 * The connection whose HTTP request led to this call, if there is one and its server is on a bus.
 */
export function currentConnection(): Socket | undefined {
  return answering.getStore();
}

/** How long a connection lasts after the FIN at the end of the grace, in milliseconds. */
const FIN_MS = 50;
/** When the grace ended later than this, the process was stalled, in milliseconds. */
const STALL_MS = 100;
/**
 * The time that requests which arrived during that stall have for their responses, in milliseconds.
 */
const AFTER_STALL_MS = 250;

/**
 * The connections of a server, so that it can stop without breaking any that is in use. Plain
 * `server.close()` destroys connections whose request was not read yet, continues to serve a busy
 * keep-alive connection without end, and ignores upgraded ones. This class closes only the
 * listener, answers arriving requests with `Connection: close`, ends quiet connections with a FIN
 * after a linger, and closes the remaining ones after the grace.
 *
 * The linger is a wait of base/fair-time.ts, because its timer also runs out while the process or the
 * client has no processor. It begins when a connection becomes quiet: at its accept, at the end of its TLS
 * handshake or at its last answer. src/register/drain.ts has the same states for programs without a bus.
 */
export class Connections {
  readonly #server: NetServer;
  readonly #connections = new Map<Socket, Connection>();
  /** TCP connections of a TLS server whose handshake is not done, by their peer. */
  readonly #handshaking = new Map<string, Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #http: boolean;
  #accepted = 0;
  #draining: Linger | undefined;
  #rotating: Linger | undefined;
  #changed: (() => void) | undefined;

  constructor(server: NetServer) {
    this.#server = server;
    this.#http = "headersTimeout" in server || "updateSettings" in server;
    // `instanceof tls.Server` would load node:tls into every program.
    const isTls = "setSecureContext" in server;
    server.on("connection", (socket: Socket) => {
      this.#accepted += 1;
      this.#add(socket);
      if (isTls) this.#handshaking.set(peerOf(socket), socket);
    });
    server.on("secureConnection", (socket: Socket) => this.#secured(socket));
    server.on("session", (session: ServerHttp2Session) => this.#addSession(session));
    for (const event of ["upgrade", "connect"])
      server.on(event, (_request: IncomingMessage, socket: Socket) => this.#upgraded(socket));
    if (this.#http) {
      const begin = (request: IncomingMessage, response: ServerResponse): void =>
        this.begin(request, response);
      (server as HttpServer).prependListener("request", begin);
      for (const event of ["checkContinue", "checkExpectation"] as const)
        if (server.listenerCount(event) > 0) (server as HttpServer).prependListener(event, begin);
    }
  }

  /** The number of open connections. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Lets each open HTTP/1.1 connection end with its next answer, or when it stays quiet for the linger; new
   * ones are served as before. No request fails by it: a connection is never ended between an answer that
   * promised keep-alive and the request that follows it. HTTP/2 sessions stay, since a client may send on
   * one at any time.
   */
  rotate(lingerMs: number): void {
    if (this.#draining !== undefined) return;
    this.#rotating ??= { lingerMs, clock: openFairClock() };
    for (const [socket, connection] of this.#connections) {
      if (connection.opaque) continue;
      connection.last = true;
      for (const response of connection.active) sayLast(response);
      this.#linger(socket, connection);
    }
  }

  /**
   * Closes the listener, then all connections, as described for the class. Resolves when none is
   * left.
   */
  async drain({ graceMs, lingerMs }: DrainOptions): Promise<DrainReport> {
    const startedMs = performance.now();
    const deadlineMs = startedMs + graceMs;
    await acceptQueued(() => this.#accepted, graceMs / 4);
    // Calls the method of net, because those of http and https also close connections that they
    // consider idle.
    const { Server } = process.getBuiltinModule("node:net");
    if (this.#server.listening) Server.prototype.close.call(this.#server);
    const over = announceDrain();
    const clock = openFairClock();
    this.#rotating?.clock.stop();
    this.#rotating = undefined;
    this.#draining = { lingerMs, clock };
    for (const session of this.#sessions) this.#leave(session);
    for (const [socket, connection] of this.#connections) {
      for (const response of connection.active) sayLast(response);
      connection.lingersAtBytes = undefined;
      this.#linger(socket, connection);
    }
    await this.#emptyBefore(deadlineMs);
    const cut = await this.#cutAll(deadlineMs);
    clock.stop();
    over();
    this.#draining = undefined;
    return { cut, durationMs: performance.now() - startedMs };
  }

  #add(socket: Socket, below?: Socket): void {
    const connection: Connection = {
      below,
      active: new Set(),
      idleAtBytes: 0,
      idleAtBytesBelow: below?.bytesRead ?? 0,
      opaque: !this.#http,
      last: false,
      lingersAtBytes: undefined,
    };
    this.#connections.set(socket, connection);
    this.#linger(socket, connection);
    const peer = peerOf(socket);
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#handshaking.get(peer) === socket) this.#handshaking.delete(peer);
      this.#changed?.();
    });
  }

  /** From the handshake on, the TLS socket represents the connection. */
  #secured(secure: Socket): void {
    const raw = this.#handshaking.get(peerOf(secure));
    if (raw !== undefined) this.#connections.delete(raw);
    this.#handshaking.delete(peerOf(secure));
    this.#add(secure, raw);
  }

  #addSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    this.#leave(session);
  }

  #upgraded(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.opaque = true;
  }

  /** Notes that a request is being answered. Called before the program's own listeners. */
  begin({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    // HTTP/2 has no such connection: its sessions end by themselves after GOAWAY.
    if (connection === undefined) return;
    answering.enterWith(socket);
    connection.active.add(response);
    if (this.#draining !== undefined || connection.last) sayLast(response);
    response.once("close", () => this.#answered(socket, connection, response));
  }

  #answered(socket: Socket, connection: Connection, response: ServerResponse): void {
    connection.active.delete(response);
    connection.idleAtBytes = socket.bytesRead;
    connection.idleAtBytesBelow = connection.below?.bytesRead ?? 0;
    connection.lingersAtBytes = undefined;
    if (connection.active.size > 0 || connection.opaque) return;
    // After "Connection: close" Node.js ends it; otherwise the next request may be in transit.
    this.#linger(socket, connection);
  }

  /** In a drain, and once it is to end: ends a connection that stays quiet for the linger. */
  #linger(socket: Socket, connection: Connection): void {
    const linger = this.#draining ?? (connection.last ? this.#rotating : undefined);
    const { idleAtBytes } = connection;
    if (linger === undefined || connection.lingersAtBytes === idleAtBytes) return;
    connection.lingersAtBytes = idleAtBytes;
    linger.clock.after(linger.lingerMs, () => {
      if (connection.opaque || connection.lingersAtBytes !== idleAtBytes) return;
      connection.lingersAtBytes = undefined;
      // The client has not received the last response yet.
      if (socket.writableLength > 0) this.#linger(socket, connection);
      // Reading ends, too: a request after the FIN could be carried out but not answered.
      else if (this.#isQuiet(socket, connection)) socket.destroySoon();
    });
  }

  #leave(session: ServerHttp2Session): void {
    if (this.#draining === undefined) return;
    leaveSession(session, this.#draining.clock, this.#draining.lingerMs);
  }

  #isQuiet(socket: Socket, connection: Connection): boolean {
    const { active, below, idleAtBytes, idleAtBytesBelow } = connection;
    const bytesBelow = below?.bytesRead ?? 0;
    return active.size === 0 && socket.bytesRead === idleAtBytes && bytesBelow === idleAtBytesBelow;
  }

  async #emptyBefore(deadlineMs: number): Promise<void> {
    while (this.#connections.size > 0) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return;
      const change = new AbortController();
      this.#changed = () => change.abort();
      await sleep(leftMs, change.signal);
    }
  }

  /** Closes the remaining connections by force when the grace is over, and returns their number. */
  async #cutAll(deadlineMs: number): Promise<number> {
    if (this.#connections.size === 0) return 0;
    await new Promise<void>((resolve) => afterTwoPolls(resolve));
    const lateMs = performance.now() - deadlineMs;
    if (lateMs > STALL_MS) await this.#emptyBefore(performance.now() + AFTER_STALL_MS);
    const cut = this.#connections.size;
    for (const socket of this.#connections.keys()) socket.end();
    await this.#emptyBefore(performance.now() + FIN_MS);
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#connections.keys()) socket.destroy();
    return cut;
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function sayLast(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("Connection", "close");
}
