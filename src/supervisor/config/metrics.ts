import { resolve } from "node:path";

import { durationMs } from "../../base/units.ts";
import { type Finding, quoted } from "./problems.ts";
import type { ResolvedMetrics } from "./resolved.ts";
import { METRICS_ADDRESS } from "./schema.ts";
import { parseAddress } from "./host-port.ts";
import type { MetricsConfig, OtlpConfig, StatsdConfig } from "./types.ts";

/** Unix allows no longer path of a socket, in bytes. */
const PATH_BYTES = 107;

export function metricsFindings(
  metrics: Partial<MetricsConfig> | undefined,
  directory: string,
): readonly Finding[] {
  if (metrics === undefined) return [];
  const { prometheus: given, otlp, statsd } = metrics;
  if (given === undefined) {
    if (otlp !== undefined || statsd !== undefined) return [];
    const missing =
      'has no "prometheus", "otlp" or "statsd": write metrics: { prometheus: "127.0.0.1:9464" }.';
    return [{ keys: ["metrics"], says: missing }];
  }
  const says = `is ${quoted(given)}; ${METRICS_ADDRESS}`;
  const address = resolveAddress(given, directory);
  if (address === undefined) return [{ keys: ["metrics", "prometheus"], says }];
  if (!("path" in address) || Buffer.byteLength(address.path) <= PATH_BYTES) return [];
  const long = `is ${Buffer.byteLength(address.path)} bytes long once absolute; Unix allows ${PATH_BYTES}.`;
  return [{ keys: ["metrics", "prometheus"], says: long }];
}

export function resolveMetrics(
  metrics: Partial<MetricsConfig> | undefined,
  directory: string,
): { readonly metrics?: ResolvedMetrics } {
  const given = metrics?.prometheus;
  const prometheus = given === undefined ? undefined : resolveAddress(given, directory);
  const otlp = resolveOtlp(metrics?.otlp);
  const statsd = resolveStatsd(metrics?.statsd);
  if (metrics === undefined) return {};
  return {
    metrics: {
      ...(prometheus === undefined ? {} : { prometheus }),
      ...(otlp === undefined ? {} : { otlp }),
      ...(statsd === undefined ? {} : { statsd }),
    },
  };
}

/** The URL of a collector gets the path of OTLP's metrics where it has none. */
function resolveOtlp(given: MetricsConfig["otlp"]): ResolvedMetrics["otlp"] {
  if (given === undefined) return undefined;
  const {
    url,
    headers,
    every = "60s",
  }: OtlpConfig = typeof given === "string" ? { url: given } : given;
  const address = new URL(url);
  if (address.pathname === "/") address.pathname = "/v1/metrics";
  return {
    url: address.href,
    ...(headers === undefined ? {} : { headers }),
    everyMs: durationMs(every),
  };
}

function resolveStatsd(given: MetricsConfig["statsd"]): ResolvedMetrics["statsd"] {
  if (given === undefined) return undefined;
  const { address, every = "10s" }: StatsdConfig =
    typeof given === "string" ? { address: given } : given;
  const parsed = parseAddress(address);
  return parsed === undefined ? undefined : { ...parsed, everyMs: durationMs(every) };
}

/** Every program that reaches the address can read the metrics, so the address is one of loopback. */
function resolveAddress(given: string, directory: string): ResolvedMetrics["prometheus"] {
  if (given.includes("/")) return { path: resolve(directory, given) };
  const address = parseAddress(given);
  if (address === undefined) return undefined;
  const { port } = address;
  const host = address.host === "localhost" ? "127.0.0.1" : address.host;
  return host === "::1" || /^127(\.\d{1,3}){3}$/.test(host) ? { host, port } : undefined;
}
