import type { ServerResponse } from "node:http";
import type { Server } from "node:net";

import { announceDrain } from "../base/draining.ts";
import { announceClose } from "./answers.ts";
import { loadTimers } from "./builtins.ts";
import { standIn } from "./inherited.ts";
import {
  handleOf,
  isUpgraded,
  replaceHandle,
  sentHeaders,
  type ServerHandle,
} from "./internals.ts";
import { speaksHttp1, speaksHttp2 } from "./protocols.ts";
import type { Connection, Traffic } from "./traffic.ts";

/** The highest stream number: "no new streams, but all that are on their way". */
const LAST_STREAM = 2 ** 31 - 1;
/** How long an upgraded connection may take to send what it has before its FIN. */
const FAREWELL_MS = 250;
/** The longest time for which a drain goes on accepting what had queued up before it. */
const BACKLOG_MS = 1_000;

const EVENT_STREAM = /^content-type: *text\/event-stream/im;

/** What a drain goes by. */
export interface DrainPlan {
  /** From the signal to the supervisor's SIGKILL. */
  readonly graceMs: number;
  /** How long a connection without a request stays open. */
  readonly lingerMs: number;
  /** Inherited sockets that are closed too when their server has let go of them (node:cluster). */
  readonly handles: Iterable<ServerHandle>;
  /** Whether the app has handlers for the stop signal; then its raw connections are theirs. */
  readonly appHandles: () => boolean;
  /** What else must end first: the workers of a cluster. */
  readonly others: () => Promise<void>;
}

/**
 * Lets an app end without losing a request: it stops accepting, answers what is running and what is
 * on its way, each answer with `Connection: close` (GOAWAY for HTTP/2), closes connections that
 * stay quiet for the linger, and cuts what is left shortly before the grace ends, streams by
 * FIN. Upgraded connections are left to the app's handlers.
 *
 * Plain `server.close()` destroys connections whose request is not read yet and goes on answering
 * `keep-alive` (nodejs/node#60617), hence all this.
 *
 * @returns resolves when no connection is left that it waits for
 */
export async function drain(traffic: Traffic, plan: DrainPlan): Promise<void> {
  const graceEnd = performance.now() + plan.graceMs;
  await backlogAccepted(traffic, plan.graceMs / 4);
  stopAccepting(traffic, plan.handles);
  // For good: after a drain the process ends.
  announceDrain();
  const marginMs = Math.min(2_000, plan.graceMs / 4);
  let settle = (): void => undefined;
  const settled = new Promise<void>((resolve) => (settle = resolve));
  const timers: NodeJS.Timeout[] = [];
  let isAlone = false;
  const check = (): void => {
    if (isAlone && !waits(traffic, plan)) settle();
  };
  const later = (delayMs: number, action: () => void): void => {
    timers.push(setTimeout(action, delayMs));
  };
  const lingers = (connection: Connection): void => {
    const { quietBytes } = connection;
    later(plan.lingerMs, () => {
      // After the poll phase, which reads whatever has arrived by now.
      setImmediate(() => {
        if (connection.quietBytes === quietBytes) closeQuiet(connection);
      });
    });
  };
  const leaves = (connection: Connection): void => {
    const close = (): void => connection.session?.close();
    goAway(connection, () => later(plan.lingerMs, close));
    // Node's own client, once idle, answers no ping after a GOAWAY.
    later(2 * plan.lingerMs, close);
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
  const leftMs = graceEnd - performance.now();
  later(leftMs - marginMs, () => endStreams(traffic));
  later(leftMs - marginMs / 2, () => {
    for (const connection of traffic.connections.values())
      if (isAwaited(connection, plan)) connection.socket.destroy();
    settle();
  });
  void plan.others().then(() => {
    isAlone = true;
    check();
  });
  await settled;
  for (const timer of timers) clearTimeout(timer);
}

/** Sends FIN to the connections that a drain left to the app, when the app has no use for them. */
export async function sayFarewell(traffic: Traffic): Promise<void> {
  const ends = [...traffic.connections.values()].map(
    ({ socket }) => new Promise<void>((resolve) => socket.end(resolve)),
  );
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FAREWELL_MS);
  });
  if (ends.length > 0) await Promise.race([Promise.all(ends), limit]);
  clearTimeout(timer);
}

// The socket is closed below the server, which goes on "listening" on nothing: the app's handlers
// run after the drain and expect their server.close() to work.
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
  // What a raw connection is doing only the app knows: it has the grace, or the app's handlers.
  return isHttp(server) ? !isUpgraded(socket) : !plan.appHandles();
}

/**
 * Resolves once a turn of the loop brought no connection: libuv accepts one a turn. A process that
 * was stopped as it began to serve would otherwise leave what had queued up to its successor, and
 * that one to the next: with many restarts in a row the oldest would wait for all of them.
 */
async function backlogAccepted(traffic: Traffic, limitMs: number): Promise<void> {
  const nextTurn = loadTimers().setImmediate;
  const end = performance.now() + Math.min(BACKLOG_MS, limitMs);
  for (let before = -1; before < traffic.accepted && performance.now() < end;) {
    before = traffic.accepted;
    await nextTurn();
    await nextTurn();
  }
}

function isHttp(server: Server): boolean {
  return speaksHttp1(server) || speaksHttp2(server);
}

// Twice, as RFC 9113 §6.8 wants it: now "open no more", and the real end when the client has seen
// it, which its answer to a ping shows, and what it sent before has had time to arrive.
function goAway({ session }: Connection, seen: () => void): void {
  if (session === undefined || session.destroyed) return;
  session.goaway(0, LAST_STREAM);
  session.ping((error) => {
    if (error === null) seen();
  });
}

function closeQuiet(connection: Connection): void {
  const { server, socket, session, running, quietBytes } = connection;
  if (session !== undefined || !isHttp(server)) return;
  if (isUpgraded(socket) || running.size > 0 || socket.bytesRead > quietBytes) return;
  socket.destroySoon();
}

// What has begun to answer ends with FIN. Only an event stream gets a proper end: its client comes
// back by itself. Any other answer must be seen to be cut, or half of it would pass for the whole.
function endStreams(traffic: Traffic): void {
  for (const { running, socket } of traffic.connections.values()) {
    for (const response of running) {
      const headers = sentHeaders(response);
      if (headers === "" || response.writableEnded) continue;
      // The app may go on writing; that loss is the grace's, not an error of the app.
      response.on("error", () => undefined);
      if (EVENT_STREAM.test(headers)) response.end(() => socket.destroySoon());
      else socket.end();
    }
  }
}
