import { resolve } from "node:path";

import { type Finding, quoted } from "./problems.ts";
import type { ResolvedMetrics } from "./resolved.ts";
import { METRICS_ADDRESS } from "./schema.ts";
import { parseAddress } from "./sockets.ts";
import type { MetricsConfig } from "./types.ts";

/** Unix allows no longer path of a socket, in bytes. */
const PATH_BYTES = 107;

export function metricsFindings(
  metrics: Partial<MetricsConfig> | undefined,
  directory: string,
): readonly Finding[] {
  if (metrics === undefined) return [];
  const given = metrics.prometheus;
  if (given === undefined) {
    const missing = 'has no "prometheus": write metrics: { prometheus: "127.0.0.1:9464" }.';
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
  return prometheus === undefined ? {} : { metrics: { prometheus } };
}

/** Every program that reaches the address can read the metrics, so the address is one of loopback. */
function resolveAddress(
  given: string,
  directory: string,
): ResolvedMetrics["prometheus"] | undefined {
  if (given.includes("/")) return { path: resolve(directory, given) };
  const address = parseAddress(given);
  if (address === undefined) return undefined;
  const { port } = address;
  const host = address.host === "localhost" ? "127.0.0.1" : address.host;
  return host === "::1" || /^127(\.\d{1,3}){3}$/.test(host) ? { host, port } : undefined;
}
