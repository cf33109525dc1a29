import type { Server, Socket } from "node:net";

import { loadHttp, loadHttps } from "../base/builtins.ts";

/** Whether a server is one of node:http2; its classes are not published, but only they have this method. */
export function speaksHttp2(server: Server): boolean {
  return "updateSettings" in server && typeof server.updateSettings === "function";
}

/** Whether a server is one of node:http or node:https. */
export function speaksHttp1(server: Server): boolean {
  // Loading here costs nothing: an app that has an HTTP server has loaded both modules already.
  return server instanceof loadHttp().Server || server instanceof loadHttps().Server;
}

/**
 * Passes a connection to an HTTP server as if the server had accepted it, but without TLS: only the owner can
 * open the control socket.
 *
 * @param ready - called just before the connection is passed
 * @returns the reason why the connection was not passed; `undefined` when it was
 */
export function giveConnection(
  server: Server,
  socket: Socket,
  ready: () => void,
): string | undefined {
  if (speaksHttp1(server)) {
    ready();
    server.emit(server instanceof loadHttps().Server ? "secureConnection" : "connection", socket);
    return undefined;
  }
  if (!speaksHttp2(server)) return "the server does not speak HTTP";
  if (server.listenerCount("request") === 0)
    return "the HTTP/2 server answers streams only, which a probe by HTTP/1.1 cannot make";
  // Node's HTTP/2 request listeners accept HTTP/1 requests too: its allowHTTP1 relies on that.
  const { createServer } = loadHttp();
  ready();
  const translator = createServer((request, response) => {
    server.emit("request", request, response);
  });
  translator.emit("connection", socket);
  return undefined;
}
