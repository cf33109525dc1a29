import type { Scope } from "../helpers/resources.ts";
import type { Load, LoadReport } from "./client.ts";
import { type Http2Report, startHttp2Load } from "./http2.ts";
import { startLoadProcess } from "./process.ts";
import type { Site } from "./web-tool.ts";

/** Streams a second at most, in addition to the HTTP/1.1 requests. */
const STREAMS_PER_SECOND = 100;

/** Starts the load that the app of a site is made for: HTTP/1.1, with TLS where it has it, and HTTP/2. */
export function startSiteLoad(
  scope: Scope,
  site: Site,
  options: { readonly limitSeconds: number; readonly ratePerSecond: number },
): Load {
  const load = startLoadProcess(scope, site.port, { ...options, tls: site.tls });
  if (site.app !== "http2") return load;
  const streams = startHttp2Load(site.port, Math.min(options.ratePerSecond, STREAMS_PER_SECOND));
  // Also when the program is interrupted, or its timer would keep it alive.
  scope.after(async () => void (await streams.stop()));
  return {
    get ended() {
      return load.ended;
    },
    stop: async () => {
      const [report, http2] = await Promise.all([load.stop(), streams.stop()]);
      return together(report, http2);
    },
  };
}

function together(report: LoadReport, { requests, failed }: Http2Report): LoadReport {
  const failures = failed.map((error) => ({
    number: 0,
    kind: "keep-alive" as const,
    path: "",
    error: `HTTP/2: ${error}`,
    atMs: 0,
  }));
  return {
    ...report,
    requests: report.requests + requests,
    failed: [...report.failed, ...failures],
    failedCount: report.failedCount + failures.length,
  };
}
