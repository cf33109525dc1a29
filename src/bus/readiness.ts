import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:net";

/** Answers the requests for one path. */
interface Readiness {
  /** For example `/readyz`. */
  readonly path: string;
  readonly isReady: () => boolean;
  /** Called before an answer. */
  readonly begin: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * Answers GET and HEAD on a path of an HTTP server with 200 while the program is ready, otherwise
 * with 503. The program's own listeners do not get these requests.
 */
export function answerReadiness(server: Server, { path, isReady, begin }: Readiness): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean;
  const answers = (request: IncomingMessage): boolean =>
    (request.method === "GET" || request.method === "HEAD") && request.url?.split("?")[0] === path;
  server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== "request") return emit(event, ...args);
    const [request, response] = args as [IncomingMessage, ServerResponse];
    if (!answers(request)) return emit(event, ...args);
    begin(request, response);
    answer(response, isReady());
    return true;
  };
}

function answer(response: ServerResponse, isReady: boolean): void {
  response.statusCode = isReady ? 200 : 503;
  response.setHeader("Content-Type", "text/plain");
  response.setHeader("Cache-Control", "no-store");
  response.end(isReady ? "ready\n" : "not ready\n");
}
