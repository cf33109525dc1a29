import type { IncomingMessage, ServerResponse } from "node:http";

import { messageOf, newelError, systemCode } from "../../base/errors.ts";
import { describeAddress, listenPrivate } from "../../posix/listen-private.ts";
import type { MetricFamily } from "../api.ts";
import type { ResolvedMetrics } from "../config/resolved.ts";
import { type Exposition, formatMetrics, MEDIA_TYPES } from "./exposition.ts";

/** The path of the metrics; `/` answers with it too. */
const PATHS: ReadonlySet<string> = new Set(["/metrics", "/"]);
/** Scrapers are few; the rest of the descriptors belongs to the supervisor. */
const CONNECTIONS = 16;
const REQUEST_MS = 10_000;
/** A page in a browser of this machine may reach loopback by a name that it controls; no scraper has such a name. */
const HOSTS = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** The address of an endpoint. */
export type MetricsAddress = NonNullable<ResolvedMetrics["prometheus"]>;

/** An HTTP server for scrapers. */
export interface Endpoint {
  close(): void;
}

/**
 * Serves metrics by HTTP: `GET /metrics`, as OpenMetrics for a client that asks for it.
 *
 * @throws NEWEL_E_METRICS_ADDRESS when the address cannot be bound
 */
export async function openEndpoint(
  address: MetricsAddress,
  collect: () => Promise<readonly MetricFamily[]>,
): Promise<Endpoint> {
  // Loaded with the first endpoint: most supervisors have none.
  const { createServer } = process.getBuiltinModule("node:http");
  const server = createServer((request, response) => {
    void answer(request, response, collect);
  });
  server.maxConnections = CONNECTIONS;
  server.headersTimeout = REQUEST_MS;
  server.requestTimeout = REQUEST_MS;
  try {
    await listenPrivate(server, address);
  } catch (error) {
    const why = systemCode(error) === "EADDRINUSE" ? "the address is in use" : messageOf(error);
    throw newelError("NEWEL_E_METRICS_ADDRESS", { address: describeAddress(address), why }, error);
  }
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  collect: () => Promise<readonly MetricFamily[]>,
): Promise<void> {
  const refuse = (status: number, text: string): void => {
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
  };
  const { method = "", url = "", headers } = request;
  const isLocal = request.socket.remoteAddress === undefined || HOSTS.test(headers.host ?? "");
  if (!isLocal) return refuse(403, "The Host header must be an address of loopback.");
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return refuse(405, "Use GET.");
  }
  if (!PATHS.has(url.replace(/\?.*$/s, ""))) return refuse(404, "The metrics are at /metrics.");
  try {
    const format = formatFor(headers.accept);
    const text = formatMetrics(await collect(), format);
    response.writeHead(200, {
      "content-type": MEDIA_TYPES[format],
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
    });
    response.end(method === "HEAD" ? undefined : text);
  } catch (error) {
    refuse(503, messageOf(error));
  }
}

/** Prometheus names the formats that it reads in Accept; other scrapers name none. */
function formatFor(accept: string | undefined): Exposition {
  return accept?.includes("application/openmetrics-text") === true ? "openmetrics" : "prometheus";
}
