import { unlinkSync } from "node:fs";
import { createServer, type Socket } from "node:net";

import { messageOf, systemCode } from "../base/errors.ts";
import type { NodeFigures } from "../base/node-figures.ts";
import { CONTROL, OWN_SERVER } from "../base/preload.ts";

import { report } from "./report.ts";

/** The longest line in bytes, and how long a connection may take to send one. */
const LINE_BYTES = 1_024;
const LINE_MS = 10_000;
const CONNECTIONS = 64;

/** The operations that the control socket can request of the preload. */
export interface Controls {
  accept(): void;
  /**
   * Gives a connection to the app's HTTP server, after calling `ready`; otherwise returns the reason why not.
   */
  probe(socket: Socket, ready: () => void): string | undefined;
  /** Passes on the supervisor's answer to a question; returns `false` when no question waits for it. */
  listen(answer: string): boolean;
  /** The figures of this process, for metrics. */
  figures(): NodeFigures;
}

/**
 * Opens the control socket with access for its owner only. It never keeps the app alive; if it cannot be
 * opened, the app continues and stderr has the reason.
 */
export function openControl(path: string, controls: Controls): void {
  const server = createServer((socket) => serve(socket, controls));
  Reflect.set(server, OWN_SERVER, true);
  server.maxConnections = CONNECTIONS;
  server.on("error", (error) => report(`the control socket ${path}: ${messageOf(error)}`));
  removeStale(path);
  const umask = process.umask(0o177);
  try {
    // listen() binds the socket before it returns, so this umask applies.
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  server.unref();
}

// A killed process of the same pid may have left its socket file.
function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") report(`the control socket ${path}: ${messageOf(error)}`);
  }
}

function serve(socket: Socket, controls: Controls): void {
  let unread = Buffer.alloc(0);
  const refuse = (why: string): void => {
    socket.removeListener("data", onData);
    socket.end(`error: ${why}\n`, () => socket.destroy());
  };
  const onData = (chunk: Buffer): void => {
    unread = Buffer.concat([unread, chunk]);
    for (let end = unread.indexOf(10); end >= 0 && end <= LINE_BYTES; end = unread.indexOf(10)) {
      const line = unread.toString("latin1", 0, end).trimEnd();
      unread = unread.subarray(end + 1);
      if (line === CONTROL.accept) {
        controls.accept();
        socket.write("ok\n");
      } else if (line === CONTROL.figures) {
        socket.write(`${JSON.stringify(controls.figures())}\n`);
      } else if (line === CONTROL.probe) {
        handOver(unread);
        return;
      } else if (line.startsWith(`${CONTROL.listen} `)) {
        if (!controls.listen(line.slice(CONTROL.listen.length + 1)))
          return refuse("no listen() waits for this answer");
        socket.write("ok\n");
      } else {
        refuse("unknown command");
        return;
      }
    }
    if (unread.length > LINE_BYTES) refuse(`a line has at most ${LINE_BYTES} bytes`);
  };
  const onTimeout = (): void => refuse("no line came");
  // The peer is gone, so no report can reach it.
  const onError = (): void => void socket.destroy();
  const handOver = (rest: Buffer): void => {
    socket.removeListener("data", onData);
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    const ready = (): void => {
      socket.removeListener("timeout", onTimeout);
      socket.removeListener("error", onError);
      socket.setTimeout(0);
      socket.write("ok\n");
    };
    const refusal = controls.probe(socket, ready);
    if (refusal === undefined) socket.resume();
    else refuse(refusal);
  };
  socket.on("data", onData);
  socket.on("timeout", onTimeout);
  socket.on("error", onError);
  socket.setTimeout(LINE_MS);
  socket.unref();
}
