import type { ServerResponse } from "node:http";
import type { Server } from "node:net";

import { acceptQueued } from "../base/accept-queue.ts";
import { announceDrain } from "../base/draining.ts";
import { afterTwoPolls, type FairClock, openFairClock } from "../base/fair-time.ts";
import { leaveSession } from "../base/go-away.ts";
import { announceClose } from "./answers.ts";
import { standIn } from "./inherited.ts";
import {
  handleOf,
  isUpgraded,
  replaceHandle,
  sentHeaders,
  type ServerHandle,
} from "./internals.ts";
import { speaksHttp1, speaksHttp2 } from "./protocols.ts";
import { type Connection, hasBegun, type Traffic } from "./traffic.ts";

/** How long an upgraded connection may take to send its queued bytes before its FIN, in milliseconds. */
const FAREWELL_MS = 250;

const EVENT_STREAM = /^content-type: *text\/event-stream/im;

/*
 * States of an HTTP/1 connection in a drain:
 *
 *   arriving  bytes have come that are no whole request yet, a TLS handshake among them
 *             → answering, when the request is whole
 *   answering → closed by its last answer, which says `Connection: close`
 *             → quiet, where the headers were sent before the drain and promised keep-alive
 *   quiet     nothing has come since the last answer, or since it was accepted
 *             → arriving, with the first byte
 *             → closed, when the client has had its time for a request (`lingerMs`)
 *
 * HTTP allows the close of a quiet connection at any moment, and a client cannot know whether the server
 * has begun with a request that it sent at that moment. So a quiet connection stays open until its
 * client, which may be a busy client on a busy machine, had time to use it or to let go of it:
 *
 *   - The time is that of fair-time.ts: stalls do not count, a crowded machine makes it longer, and it
 *     begins when the last answer has left this process.
 *   - At its end the event loop reads the data that has arrived once more, and one byte more than the last request
 *     had (for TLS: also one byte of a record that is not complete) keeps the connection open.
 *   - The close is FIN and an end to reading. A request that comes after FIN could be carried out but not
 *     answered, and its client would repeat it.
 *   - The grace bounds all of it: shortly before its end quiet connections are closed, then the rest.
 *
 * An HTTP/2 session has GOAWAY for the same purpose (base/go-away.ts).
 */

/** The parameters of a drain. */
export interface DrainPlan {
  /** From the signal to the supervisor's SIGKILL, in milliseconds. */
  readonly graceMs: number;
  /** How long a connection without a request stays open on an idle machine, in milliseconds. */
  readonly lingerMs: number;
  /** Inherited sockets that are closed too when their server has released them (node:cluster). */
  readonly handles: Iterable<ServerHandle>;
  /**
   * Whether the app has handlers for the stop signal; then the handlers are responsible for its raw
   * connections.
   */
  readonly appHandles: () => boolean;
  /** Resolves when everything else that must end first has ended: the workers of a cluster. */
  readonly others: () => Promise<void>;
}

/**
 * Lets an app end without losing a request: it stops accepting, answers running requests and requests in
 * flight, each with `Connection: close` (GOAWAY for HTTP/2), closes connections that stay quiet for the
 * linger, and cuts the rest shortly before the end of the grace, streams by FIN. Upgraded connections are
 * left to the app's handlers.
 *
 * A plain `server.close()` does not suffice: it destroys connections whose request is not read yet, and
 * continues to answer with `keep-alive` (nodejs/node#60617).
 *
 * @returns resolves when the drain waits for no more connections
 */
export async function drain(traffic: Traffic, plan: DrainPlan): Promise<void> {
  const graceEnd = performance.now() + plan.graceMs;
  await acceptQueued(() => traffic.accepted, plan.graceMs / 4);
  stopAccepting(traffic, plan.handles);
  // Never revoked: after a drain the process ends.
  announceDrain();
  const clock = openFairClock();
  let settle = (): void => undefined;
  const settled = new Promise<void>((resolve) => (settle = resolve));
  let isAlone = false;
  const check = (): void => {
    if (isAlone && !waits(traffic, plan)) settle();
  };
  observe(traffic, plan.lingerMs, clock, check);
  const cancel = endInTime(traffic, plan, graceEnd, settle);
  void plan.others().then(() => {
    isAlone = true;
    check();
  });
  await settled;
  cancel();
  clock.stop();
}

/** Closes present and new connections when they are quiet. */
function observe(traffic: Traffic, lingerMs: number, clock: FairClock, check: () => void): void {
  const lingers = (connection: Connection): void => {
    const { quietBytes } = connection;
    clock.after(lingerMs, () => {
      if (connection.quietBytes !== quietBytes) return;
      // The client has not received the last answer yet.
      if (connection.socket.writableLength > 0) lingers(connection);
      else closeQuiet(connection);
    });
  };
  const leaves = ({ session }: Connection): void => {
    if (session !== undefined) leaveSession(session, clock, lingerMs);
  };
  const announce = (connection: Connection, response: ServerResponse): void =>
    announceClose(response, () => [...connection.running].at(-1) === response);
  traffic.observer = {
    onRequest: announce,
    onQuiet: lingers,
    onSession: leaves,
    onClosed: check,
  };
  for (const connection of traffic.connections.values()) {
    for (const response of connection.running) announce(connection, response);
    leaves(connection);
    lingers(connection);
  }
}

/**
 * Ends the rest before the grace ends. Each step waits for the step before it and for the data that has
 * arrived by then: after a stall both steps would be due at once, before any data is read.
 *
 * @returns a function that cancels these steps
 */
function endInTime(
  traffic: Traffic,
  plan: DrainPlan,
  graceEnd: number,
  settle: () => void,
): () => void {
  const marginMs = Math.min(2_000, plan.graceMs / 4);
  let timer: NodeJS.Timeout;
  const cut = (): void => {
    for (const connection of traffic.connections.values())
      if (isAwaited(connection, plan)) connection.socket.destroy();
    settle();
  };
  const end = (): void => {
    endStreams(traffic);
    for (const connection of traffic.connections.values()) closeQuiet(connection);
    const leftMs = graceEnd - marginMs / 2 - performance.now();
    timer = setTimeout(() => afterTwoPolls(cut), Math.max(leftMs, marginMs / 4));
  };
  const leftMs = graceEnd - marginMs - performance.now();
  timer = setTimeout(() => afterTwoPolls(end), leftMs);
  return () => clearTimeout(timer);
}

/** Sends FIN to the connections that a drain left to the app, if the app has no handlers for them. */
export async function sayFarewell(traffic: Traffic): Promise<void> {
  const ends = [...traffic.connections.values()].map(
    ({ socket }) => new Promise<void>((resolve) => socket.end(resolve)),
  );
  if (ends.length === 0) return;
  const clock = openFairClock();
  const limit = new Promise<void>((resolve) => clock.after(FAREWELL_MS, resolve));
  await Promise.race([Promise.all(ends), limit]);
  clock.stop();
}

// The socket is closed below the server, which remains "listening" on a stand-in: the app's handlers run
// after the drain and expect their server.close() to work.
function stopAccepting(traffic: Traffic, handles: Iterable<ServerHandle>): void {
  for (const server of traffic.servers) {
    const handle = handleOf(server);
    if (handle === undefined) continue;
    replaceHandle(server, standIn(handle, false));
    handle.close();
  }
  for (const handle of handles) handle.close();
}

function waits(traffic: Traffic, plan: DrainPlan): boolean {
  for (const connection of traffic.connections.values())
    if (isAwaited(connection, plan)) return true;
  return false;
}

function isAwaited({ server, socket }: Connection, plan: DrainPlan): boolean {
  // Only the app knows the state of a raw TCP connection: it is closed by the handlers of the app, else at the
  // end of the grace.
  return isHttp(server) ? !isUpgraded(socket) : !plan.appHandles();
}

function isHttp(server: Server): boolean {
  return speaksHttp1(server) || speaksHttp2(server);
}

function closeQuiet(connection: Connection): void {
  const { server, socket, session, running } = connection;
  if (session !== undefined || !isHttp(server)) return;
  if (isUpgraded(socket) || running.size > 0 || hasBegun(connection)) return;
  socket.destroySoon();
}

// A response that has begun ends with FIN. Only an event stream gets a proper end, because its client
// reconnects by itself. Any other response must be cut in a way that the client detects; otherwise an
// incomplete response would look complete.
function endStreams(traffic: Traffic): void {
  for (const { running, socket } of traffic.connections.values()) {
    for (const response of running) {
      const headers = sentHeaders(response);
      if (headers === "" || response.writableEnded) continue;
      // The app may continue to write; the end of the grace causes that loss, so it is not reported as an
      // error of the app.
      response.on("error", () => undefined);
      if (EVENT_STREAM.test(headers)) response.end(() => socket.destroySoon());
      else socket.end();
    }
  }
}
