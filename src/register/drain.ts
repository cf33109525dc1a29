import type { ServerResponse } from "node:http";
import type { Server } from "node:net";

import { announceDrain } from "../base/draining.ts";
import { announceClose } from "./answers.ts";
import { loadTimers } from "./builtins.ts";
import { afterTwoPolls, type FairClock, openFairClock } from "./fair-time.ts";
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

/** The highest stream number: "no new streams, but all that are on their way". */
const LAST_STREAM = 2 ** 31 - 1;
/** How long an upgraded connection may take to send what it has before its FIN. */
const FAREWELL_MS = 250;
/** The longest time for which a drain goes on accepting what had queued up before it. */
const BACKLOG_MS = 1_000;

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
 *   - At its end the event loop reads once more what has arrived, and one byte more than the last request
 *     had (for TLS: also one byte of a record that is not complete) keeps the connection open.
 *   - The close is FIN and an end to reading. A request that comes after FIN could be carried out but not
 *     answered, and its client would repeat it.
 *   - The grace bounds all of it: shortly before its end quiet connections are closed, then the rest.
 *
 * An HTTP/2 session has GOAWAY for the same purpose: no stream is lost when its client has seen it.
 */

/** What a drain goes by. */
export interface DrainPlan {
  /** From the signal to the supervisor's SIGKILL. */
  readonly graceMs: number;
  /** How long a connection without a request stays open on a machine that is not busy. */
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

/** Closes what is there, and what comes, when it is quiet. */
function observe(traffic: Traffic, lingerMs: number, clock: FairClock, check: () => void): void {
  const lingers = (connection: Connection): void => {
    const { quietBytes } = connection;
    clock.after(lingerMs, () => {
      if (connection.quietBytes !== quietBytes) return;
      // Its client has not got the last answer yet.
      if (connection.socket.writableLength > 0) lingers(connection);
      else closeQuiet(connection);
    });
  };
  const leaves = (connection: Connection): void => {
    const close = (): void => connection.session?.close();
    goAway(connection, () => clock.after(lingerMs, close));
    // Node's own client, once idle, answers no ping after a GOAWAY.
    clock.after(2 * lingerMs, close);
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
 * Ends what is left before the grace does. Each step waits for the one before and for what has arrived
 * by then: after a stall both would be due at once, before anything is read.
 *
 * @returns a function that calls it off
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

/** Sends FIN to the connections that a drain left to the app, when the app has no use for them. */
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
  const { server, socket, session, running } = connection;
  if (session !== undefined || !isHttp(server)) return;
  if (isUpgraded(socket) || running.size > 0 || hasBegun(connection)) return;
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
