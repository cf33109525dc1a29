import { hostname } from "node:os";

import { messageOf, systemCode } from "../../base/errors.ts";
import type { MetricFamily, MetricSample } from "../api.ts";
import type { ResolvedOtlp } from "../config/resolved.ts";
import { attributeName, otelName } from "./otel-names.ts";

/** The time of a request. */
const POST_MS = 10_000;
const CUMULATIVE = 2;
const RESOURCE_LABELS = new Set(["service_namespace", "service_name", "service_instance_id"]);

type Labels = Readonly<Record<string, string>>;

/** The moments of one export, in milliseconds since the epoch. */
interface Times {
  readonly nowMs: number;
  /** The start of the supervisor, with which its counters begin. */
  readonly startMs: number;
}

/**
 * Sends metrics to a collector by OTLP over HTTP, as JSON.
 *
 * @returns how it failed; the host stands for the URL, which may have secrets
 */
export async function sendOtlp(
  { url, headers }: ResolvedOtlp,
  families: readonly MetricFamily[],
  { times, signal }: { readonly times: Times; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const { host } = new URL(url);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(toOtlp(families, times)),
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `${host} answered ${response.status}`;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return `${host} did not take them: ${systemCode(cause) ?? messageOf(cause ?? error)}`;
  }
}

/** An ExportMetricsServiceRequest of OTLP 1 in its JSON form: 64-bit integers are texts. */
export function toOtlp(families: readonly MetricFamily[], times: Times): object {
  const version = families.find(({ name }) => name === "newel_build")?.samples[0]?.labels[
    "version"
  ];
  const starts = startsOf(families, times);
  const resources = new Map<string, { readonly labels: Labels; readonly metrics: object[] }>();
  for (const family of families) {
    const known = otelName(family.name);
    if (known === undefined) continue;
    for (const [key, samples] of byResource(family.samples)) {
      const labels = samples[0]?.labels ?? {};
      const resource = resources.get(key) ?? { labels, metrics: [] };
      resources.set(key, resource);
      const points = samples.map((sample) =>
        pointOf(sample, { nowMs: times.nowMs, startMs: starts.get(key) ?? times.startMs }),
      );
      const { name, unit } = known;
      const metric = { name, unit, description: family.help };
      resource.metrics.push({ ...metric, ...dataOf(family.type, known.isUpDown === true, points) });
    }
  }
  return {
    resourceMetrics: [...resources.values()].map(({ labels, metrics }) => ({
      resource: {
        attributes: [
          ...attributesOf(labels, (label) => RESOURCE_LABELS.has(label)),
          attribute("host.name", hostname()),
        ],
      },
      scopeMetrics: [{ scope: { name: "newel", version }, metrics }],
    })),
  };
}

function byResource(samples: readonly MetricSample[]): Map<string, MetricSample[]> {
  return Map.groupBy(samples, ({ labels }) => resourceKey(labels));
}

function resourceKey(labels: Labels): string {
  return [...RESOURCE_LABELS].map((label) => labels[label] ?? "").join("\0");
}

/** The counters of a replica begin with it. */
function startsOf(families: readonly MetricFamily[], { nowMs }: Times): Map<string, number> {
  const uptimes = families.find(({ name }) => name === "process_uptime_seconds")?.samples ?? [];
  return new Map(
    uptimes.map(({ labels, value }) => [resourceKey(labels), nowMs - Math.round(value * 1_000)]),
  );
}

function dataOf(type: MetricFamily["type"], isUpDown: boolean, dataPoints: object[]): object {
  const aggregationTemporality = CUMULATIVE;
  if (type === "histogram") return { histogram: { dataPoints, aggregationTemporality } };
  if (type === "counter") return { sum: { dataPoints, aggregationTemporality, isMonotonic: true } };
  if (isUpDown) return { sum: { dataPoints, aggregationTemporality, isMonotonic: false } };
  return { gauge: { dataPoints } };
}

function pointOf({ labels, value, histogram }: MetricSample, { nowMs, startMs }: Times): object {
  const common = {
    attributes: attributesOf(labels, (label) => !RESOURCE_LABELS.has(label)),
    startTimeUnixNano: nanoseconds(startMs),
    timeUnixNano: nanoseconds(nowMs),
  };
  if (histogram === undefined) return { ...common, asDouble: value };
  const { buckets, count, sum } = histogram;
  // Prometheus counts the smaller values in each bucket, OTLP does not.
  const counts = [...buckets.map((bucket) => bucket.count), count];
  return {
    ...common,
    count: String(count),
    sum,
    bucketCounts: counts.map((each, index) => String(each - (counts[index - 1] ?? 0))),
    explicitBounds: buckets.map(({ upTo }) => upTo),
  };
}

function attributesOf(labels: Labels, isWanted: (label: string) => boolean): object[] {
  return Object.entries(labels)
    .filter(([label]) => isWanted(label))
    .map(([label, value]) => attribute(attributeName(label), value));
}

function attribute(key: string, value: string): object {
  return { key, value: key === "server.port" ? { intValue: value } : { stringValue: value } };
}

function nanoseconds(ms: number): string {
  return `${Math.round(ms)}000000`;
}
