import type { Socket } from "node:net";

import { newelError } from "../../base/errors.ts";
import { refuse } from "../commands/kinds.ts";
import { Connection } from "./connection.ts";
import { JsonSession } from "./json-session.ts";
import { type Line, LineSplitter, type PendingBudget } from "./line-splitter.ts";
import type { ServerContext } from "./server-context.ts";
import { TextSession } from "./text-session.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A browser can be made to send such lines to a local port; the rest of the connection is ignored then. */
const HTTP_REQUEST = /^[A-Z]+ \S+ HTTP\/\d/;

/**
 * Serves one connection until it ends: cuts it into lines and passes each to the active rendering. Lines are
 * handled in order, and none while the client does not read its answers.
 *
 * @param peerPid - the process at the other end, if known
 * @returns `end` closes the connection from this side: further input of the client is ignored
 */
export function serveConnection(
  socket: Socket,
  context: ServerContext,
  budget: PendingBudget,
  peerPid?: number,
): { end(): void } {
  const connection = new Connection(socket, peerPid);
  const text = new TextSession(context, connection);
  const json = new JsonSession(context, connection);
  const splitter = new LineSplitter(budget);
  const chunks: Buffer[] = [];
  let working = false;
  let noMore = false;

  const close = (): void => {
    noMore = true;
    chunks.length = 0;
    splitter.close();
    text.close();
    json.close();
  };
  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      for (const line of splitter.push(chunk)) {
        if (connection.full) await room(connection);
        if (connection.ending) return;
        serveLine(line, text, json, connection);
        if (text.answered !== undefined) await text.answered;
      }
    }
    working = false;
    if (noMore) await finish();
  };
  const end = (): void => {
    close();
    connection.end();
  };

  /** The client has closed its sending side; it still gets the answers to its requests. */
  const finish = async (): Promise<void> => {
    await json.answered();
    end();
  };

  text.greet();
  socket.on("data", (chunk: Buffer) => {
    if (noMore || connection.ending) return;
    chunks.push(chunk);
    work().catch((error: unknown) => context.fault(error));
  });
  // A line without its end is a cut request and is ignored.
  socket.on("end", () => {
    noMore = true;
    if (!working) finish().catch((error: unknown) => context.fault(error));
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", close);
  return { end };
}

/** Waits for a client that does not read its answers; no more input is read until then. */
async function room(connection: Connection): Promise<void> {
  connection.pause();
  await connection.drained();
  connection.resume();
}

function serveLine(line: Line, text: TextSession, json: JsonSession, connection: Connection): void {
  if (line.kind === "refused") {
    const error = newelError("NEWEL_E_LIMIT", {
      what: line.json ? "a JSON line" : "a line",
      limit: line.limit,
      unit: "bytes",
    });
    if (line.json) json.refuse(null, error);
    else text.refuse(error);
    return;
  }
  const isJson = line.bytes[0] === 0x7b;
  const decoded = decode(line.bytes);
  if (decoded === undefined) {
    const error = refuse("it is not UTF-8");
    if (isJson) json.refuse(null, error);
    else text.refuse(error);
  } else if (isJson) json.line(decoded);
  else if (HTTP_REQUEST.test(decoded)) {
    text.refuse(newelError("NEWEL_E_COMMAND", { what: "This is no web server" }));
    connection.end();
  } else text.line(decoded);
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // Decoding fails only when the bytes are not UTF-8, which the caller reports.
    return undefined;
  }
}
