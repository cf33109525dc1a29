import type { ServerResponse } from "node:http";

/**
 * Makes an HTTP/1 response carry `Connection: close` when its headers are written, regardless of the app's
 * headers; a response whose headers are already sent stays unchanged.
 *
 * @param isLast - called at that moment: a response that others wait behind (pipelining) must not close
 */
export function announceClose(response: ServerResponse, isLast: () => boolean): void {
  if (response.headersSent) return;
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  response.writeHead = (...args: unknown[]): ServerResponse => {
    // Responses such as 101 are not final answers but the start of another protocol.
    if (Number(args[0]) < 200 || !isLast()) return writeHead(...args);
    response.shouldKeepAlive = false;
    response.removeHeader("keep-alive");
    if (response.hasHeader("connection")) response.setHeader("connection", "close");
    const [status, ...rest] = args;
    return writeHead(status, ...rest.map(withoutKeepAlive));
  };
}

/** Removes Connection and Keep-Alive from the headers of writeHead: an object or one of two kinds of list. */
function withoutKeepAlive(headers: unknown): unknown {
  if (Array.isArray(headers)) {
    const list: readonly unknown[] = headers;
    if (Array.isArray(list[0]))
      return list.filter((pair) => !(Array.isArray(pair) && isKeepAlive(pair[0])));
    return list.filter((_, index) => !isKeepAlive(list[index - (index % 2)]));
  }
  if (typeof headers !== "object" || headers === null) return headers;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isKeepAlive(name)));
}

function isKeepAlive(name: unknown): boolean {
  return typeof name === "string" && /^(connection|keep-alive)$/i.test(name);
}
