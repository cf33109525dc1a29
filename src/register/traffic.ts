import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2Session } from "node:http2";
import type { Server, Socket } from "node:net";

import { socketBelow } from "./internals.ts";
import { speaksHttp2 } from "./protocols.ts";

/** One accepted connection of the app. */
export interface Connection {
  readonly server: Server;
  /** The socket that the app uses: the TLS socket where there is one. */
  readonly socket: Socket;
  /** HTTP/1 responses that are not finished, oldest first. */
  readonly running: Set<ServerResponse>;
  session: Http2Session | undefined;
  /**
   * Bytes read when the last request was complete; a larger number means that another request has begun to
   * arrive.
   */
  quietBytes: number;
  /** The same number for the socket below a TLS socket, where incomplete records are visible. */
  quietBytesBelow: number;
}

/** Whether bytes have arrived since the last request was complete. */
export function hasBegun({ socket, quietBytes, quietBytesBelow }: Connection): boolean {
  return socket.bytesRead > quietBytes || bytesBelow(socket) > quietBytesBelow;
}

function bytesBelow(socket: Socket): number {
  return socketBelow(socket)?.bytesRead ?? 0;
}

/** The callbacks of a drain. */
interface TrafficObserver {
  onRequest(connection: Connection, response: ServerResponse): void;
  /** A connection is new or its last request was just answered. */
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
  /** Finished responses so far by the class of their status: 1xx to 5xx. */
  readonly answered: readonly number[];
  /** Requests without a finished response. */
  readonly running: number;
  observer: TrafficObserver | undefined;
  watch(server: Server): void;
}

/** Begins to watch. The cost for the app is two or three channel messages a request. */
export function watchTraffic(): Traffic {
  const servers = new Set<Server>();
  const watched = new WeakSet<Server>();
  const connections = new Map<Socket, Connection>();
  let newest: Connection | undefined;
  let accepted = 0;
  const responses = countResponses();

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
  // HTTP/2 makes the session of a connection within the same event that reports the connection.
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
    answered: responses.answered,
    get running() {
      return (
        responses.streams + sumOf([...connections.values()].map(({ running }) => running.size))
      );
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
  watchHttp(traffic, responses);
  return traffic;
}

function watchHttp(traffic: Traffic, responses: ReturnType<typeof countResponses>): void {
  subscribe("http.server.request.start", (message) => requestStarted(traffic, message));
  subscribe("http.server.response.finish", (message) =>
    responses.add(responseFinished(traffic, message)),
  );
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

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** Counts finished responses by the class of their status, and HTTP/2 streams where Node.js reports them. */
function countResponses(): {
  readonly answered: readonly number[];
  readonly streams: number;
  add(status: number | undefined): void;
} {
  const answered = [0, 0, 0, 0, 0];
  let streams = 0;
  const add = (status: number | undefined): void => {
    const index = Math.floor((status ?? 0) / 100) - 1;
    const before = answered[index];
    if (before !== undefined) answered[index] = before + 1;
  };
  subscribe("http2.server.stream.start", () => void (streams += 1));
  subscribe("http2.server.stream.close", () => void (streams -= 1));
  subscribe("http2.server.stream.finish", (message) => {
    const { headers }: { readonly headers?: Readonly<Record<string, unknown>> } = Object(message);
    add(Number(headers?.[":status"]));
  });
  return {
    answered,
    get streams() {
      return streams;
    },
    add,
  };
}

/** Returns the status of the response, if it is one of the app. */
function responseFinished(traffic: Traffic, message: unknown): number | undefined {
  const { request, response, socket } = message as HttpMessage;
  const connection = traffic.connections.get(socket);
  if (connection === undefined || !connection.running.delete(response)) return undefined;
  // The unread rest of a request body must not look like a new request.
  connection.quietBytes = request.complete ? socket.bytesRead : Infinity;
  connection.quietBytesBelow = request.complete ? bytesBelow(socket) : Infinity;
  if (connection.running.size === 0) traffic.observer?.onQuiet(connection);
  return response.statusCode;
}
