import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2Session } from "node:http2";
import type { Server, Socket } from "node:net";

import { socketBelow } from "./internals.ts";
import { speaksHttp2 } from "./protocols.ts";

/** One accepted connection of the app. */
export interface Connection {
  readonly server: Server;
  /** What the app speaks on: the TLS socket where there is one. */
  readonly socket: Socket;
  /** HTTP/1 answers not yet finished, oldest first. */
  readonly running: Set<ServerResponse>;
  session: Http2Session | undefined;
  /** Bytes read when the last request was complete; more than these: another has begun to arrive. */
  quietBytes: number;
  /** The same of the socket below a TLS socket: records that are not complete are seen only there. */
  quietBytesBelow: number;
}

/** Whether bytes have come since the last request was complete. */
export function hasBegun({ socket, quietBytes, quietBytesBelow }: Connection): boolean {
  return socket.bytesRead > quietBytes || bytesBelow(socket) > quietBytesBelow;
}

function bytesBelow(socket: Socket): number {
  return socketBelow(socket)?.bytesRead ?? 0;
}

/** What a drain wants to hear. */
interface TrafficObserver {
  onRequest(connection: Connection, response: ServerResponse): void;
  /** A connection is new or has just answered its last request. */
  onQuiet(connection: Connection): void;
  onSession(connection: Connection): void;
  onClosed(): void;
}

/** All servers and connections of the app, by published API only: events and diagnostics channels. */
export interface Traffic {
  readonly servers: ReadonlySet<Server>;
  readonly connections: ReadonlyMap<Socket, Connection>;
  /** Connections accepted so far. */
  readonly accepted: number;
  observer: TrafficObserver | undefined;
  watch(server: Server): void;
}

/** Begins to watch. The price for the app is two channel messages a request. */
export function watchTraffic(): Traffic {
  const servers = new Set<Server>();
  const watched = new WeakSet<Server>();
  const connections = new Map<Socket, Connection>();
  let newest: Connection | undefined;
  let accepted = 0;

  const add = (server: Server, socket: Socket): void => {
    if (connections.has(socket)) return;
    accepted += 1;
    const connection: Connection = {
      server,
      socket,
      running: new Set(),
      session: undefined,
      quietBytes: socket.bytesRead,
      quietBytesBelow: bytesBelow(socket),
    };
    const below = socketBelow(socket);
    if (below !== undefined) connections.delete(below);
    connections.set(socket, connection);
    newest = connection;
    socket.once("close", () => {
      if (connections.delete(socket)) traffic.observer?.onClosed();
    });
    traffic.observer?.onQuiet(connection);
  };
  // HTTP/2 makes the session of a connection within the very event that tells us of the connection.
  const addSession = (server: Server, session: Http2Session): void => {
    if (newest?.server !== server || newest.session !== undefined) return;
    newest.session = session;
    traffic.observer?.onSession(newest);
  };

  const traffic: Traffic = {
    servers,
    connections,
    get accepted() {
      return accepted;
    },
    observer: undefined,
    watch: (server) => {
      servers.add(server);
      server.once("close", () => servers.delete(server));
      if (watched.has(server)) return;
      watched.add(server);
      server.prependListener("connection", (socket: Socket) => add(server, socket));
      server.prependListener("secureConnection", (socket: Socket) => add(server, socket));
      if (speaksHttp2(server))
        server.prependListener("session", (session: Http2Session) => addSession(server, session));
    },
  };
  subscribe("http.server.request.start", (message) => requestStarted(traffic, message));
  subscribe("http.server.response.finish", (message) => responseFinished(traffic, message));
  return traffic;
}

interface HttpMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
}

function requestStarted(traffic: Traffic, message: unknown): void {
  const { response, socket } = message as HttpMessage;
  const connection = traffic.connections.get(socket);
  if (connection === undefined) return;
  connection.running.add(response);
  traffic.observer?.onRequest(connection, response);
}

function responseFinished(traffic: Traffic, message: unknown): void {
  const { request, response, socket } = message as HttpMessage;
  const connection = traffic.connections.get(socket);
  if (connection === undefined || !connection.running.delete(response)) return;
  // What is still to come of a body nobody waited for must not look like a new request.
  connection.quietBytes = request.complete ? socket.bytesRead : Infinity;
  connection.quietBytesBelow = request.complete ? bytesBelow(socket) : Infinity;
  if (connection.running.size === 0) traffic.observer?.onQuiet(connection);
}
