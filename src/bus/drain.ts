import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { Server as TlsServer } from "node:tls";

import { announceDrain } from "../base/draining.ts";
import { sleep } from "../base/timers.ts";

/** How a drain ended. */
export interface DrainReport {
  /** Connections that were still in use when the grace was over, and were cut. */
  readonly cut: number;
  readonly durationMs: number;
}

export interface DrainOptions {
  /** How long work in progress may take, in milliseconds. */
  readonly graceMs: number;
  /** How long a quiet connection is kept open for a request that is on its way, in milliseconds. */
  readonly lingerMs: number;
}

/** An HTTP/2 session, as far as a drain goes. */
interface Session {
  readonly closed: boolean;
  close(): void;
  destroy(): void;
  once(event: "close", listener: () => void): unknown;
}

interface Connection {
  /** The answers that are not complete. */
  readonly active: Set<ServerResponse>;
  /** The bytes read when it last became idle: more means that a request is arriving. */
  idleAtBytes: number;
  /** Not HTTP, or not any more: it lives until it ends or the grace is over. */
  opaque: boolean;
  /** Its next answer is its last. */
  last: boolean;
}

/** The connection whose request the running code answers. */
const answering = new AsyncLocalStorage<Socket>();

/** The connection whose HTTP request led to here, if one did and its server is on a bus. */
export function currentConnection(): Socket | undefined {
  return answering.getStore();
}

/** What is left of a connection after its FIN, for the peer's last words, in milliseconds. */
const FIN_MS = 50;

/**
 * The connections of a server, so that it can stop without breaking any that is in use. Plain
 * `server.close()` destroys connections whose request was not read yet, goes on serving a busy
 * keep-alive connection without end, and forgets upgraded ones. This one closes the listener alone,
 * answers what arrives with `Connection: close`, ends quiet connections with a FIN after a linger,
 * and cuts what is left after the grace.
 */
export class Connections {
  readonly #server: NetServer;
  readonly #connections = new Map<Socket, Connection>();
  /** TCP connections of a TLS server whose handshake is not done, by their peer. */
  readonly #handshaking = new Map<string, Socket>();
  readonly #sessions = new Set<Session>();
  readonly #http: boolean;
  #draining = false;
  #changed: (() => void) | undefined;

  constructor(server: NetServer) {
    this.#server = server;
    this.#http = "headersTimeout" in server || "updateSettings" in server;
    server.on("connection", (socket: Socket) => {
      this.#add(socket);
      if (server instanceof TlsServer) this.#handshaking.set(peerOf(socket), socket);
    });
    server.on("secureConnection", (socket: Socket) => this.#secured(socket));
    server.on("session", (session: Session) => this.#addSession(session));
    for (const event of ["upgrade", "connect"])
      server.on(event, (_request: IncomingMessage, socket: Socket) => this.#upgraded(socket));
    if (this.#http) {
      const begin = (request: IncomingMessage, response: ServerResponse): void =>
        this.#begin(request, response);
      (server as HttpServer).prependListener("request", begin);
      for (const event of ["checkContinue", "checkExpectation"] as const)
        if (server.listenerCount(event) > 0) (server as HttpServer).prependListener(event, begin);
    }
  }

  /** How many are open. */
  get size(): number {
    return this.#connections.size;
  }

  /** Lets each open connection end with its next answer; new ones are served as ever. */
  rotate(): void {
    for (const [socket, connection] of this.#connections) {
      if (connection.opaque) continue;
      connection.last = true;
      for (const response of connection.active) sayLast(response);
      if (this.#isQuiet(socket, connection)) socket.end();
    }
  }

  /** Closes the listener, then all connections, as the class says. Resolves when none is left. */
  async drain({ graceMs, lingerMs }: DrainOptions): Promise<DrainReport> {
    const startedMs = performance.now();
    this.#draining = true;
    // The method of net, since those of http and https also close connections they take for idle.
    if (this.#server.listening) NetServer.prototype.close.call(this.#server);
    const over = announceDrain();
    for (const session of this.#sessions) session.close();
    for (const { active } of this.#connections.values())
      for (const response of active) sayLast(response);
    const deadlineMs = startedMs + graceMs;
    await this.#emptyBefore(Math.min(startedMs + lingerMs, deadlineMs));
    for (const [socket, connection] of this.#connections)
      if (!connection.opaque && this.#isQuiet(socket, connection)) socket.end();
    await this.#emptyBefore(deadlineMs);
    const cut = this.#connections.size;
    await this.#cutAll();
    over();
    this.#draining = false;
    return { cut, durationMs: performance.now() - startedMs };
  }

  #add(socket: Socket): void {
    this.#connections.set(socket, {
      active: new Set(),
      idleAtBytes: 0,
      opaque: !this.#http,
      last: false,
    });
    const peer = peerOf(socket);
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#handshaking.get(peer) === socket) this.#handshaking.delete(peer);
      this.#changed?.();
    });
  }

  /** From the handshake on, the TLS socket stands for the connection. */
  #secured(secure: Socket): void {
    const raw = this.#handshaking.get(peerOf(secure));
    if (raw !== undefined) this.#connections.delete(raw);
    this.#handshaking.delete(peerOf(secure));
    this.#add(secure);
  }

  #addSession(session: Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    if (this.#draining) session.close();
  }

  #upgraded(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.opaque = true;
  }

  #begin({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    // HTTP/2 has no such connection: its sessions end by themselves after GOAWAY.
    if (connection === undefined) return;
    answering.enterWith(socket);
    connection.active.add(response);
    if (this.#draining || connection.last) sayLast(response);
    response.once("close", () => this.#answered(socket, connection, response));
  }

  #answered(socket: Socket, connection: Connection, response: ServerResponse): void {
    connection.active.delete(response);
    connection.idleAtBytes = socket.bytesRead;
    if (connection.active.size > 0 || connection.opaque) return;
    if (connection.last) {
      socket.end();
    } else if (this.#draining) {
      // Its headers had promised keep-alive: the next request may be on its way.
      void sleep(FIN_MS).then(() => {
        if (this.#isQuiet(socket, connection)) socket.end();
      });
    }
  }

  #isQuiet(socket: Socket, connection: Connection): boolean {
    return connection.active.size === 0 && socket.bytesRead === connection.idleAtBytes;
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

  async #cutAll(): Promise<void> {
    if (this.#connections.size === 0) return;
    for (const socket of this.#connections.keys()) socket.end();
    await this.#emptyBefore(performance.now() + FIN_MS);
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#connections.keys()) socket.destroy();
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function sayLast(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("Connection", "close");
}
