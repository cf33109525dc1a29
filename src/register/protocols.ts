import type { Server, Socket } from "node:net";

import { loadHttp, loadHttps } from "./builtins.ts";

/** Whether a server is one of node:http2; its classes are not published, this method is theirs. */
export function speaksHttp2(server: Server): boolean {
  return "updateSettings" in server && typeof server.updateSettings === "function";
}

/** Whether a server is one of node:http or node:https. */
export function speaksHttp1(server: Server): boolean {
  // Asked late and rarely, when an app that has HTTP has loaded both already.
  return server instanceof loadHttp().Server || server instanceof loadHttps().Server;
}

/**
 * Hands a connection to an HTTP server as if it had accepted it, without TLS whatever the server
 * speaks: the control socket is closed to other users as it is.
 *
 * @param ready - called just before it is handed over
 * @returns what stands against it, `undefined` when it was handed over
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
  // Node's HTTP/2 request listeners take HTTP/1 requests too: that is how its allowHTTP1 works.
  const { createServer } = loadHttp();
  ready();
  const translator = createServer((request, response) => {
    server.emit("request", request, response);
  });
  translator.emit("connection", socket);
  return undefined;
}
