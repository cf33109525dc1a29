import type { MetricFamily, MetricSample } from "../api.ts";

/** A text format of metrics. */
export type Exposition = "prometheus" | "openmetrics";

/** The media type of each format. */
export const MEDIA_TYPES: Readonly<Record<Exposition, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/**
 * Metrics as text: Prometheus' text format 0.0.4, or OpenMetrics 1.0. The two differ in the metadata of counters
 * and of infos, and in the last line. `# UNIT` is a comment in the former.
 */
export function formatMetrics(families: readonly MetricFamily[], format: Exposition): string {
  const lines = families.flatMap((family) => formatFamily(family, format));
  return [...lines, ...(format === "openmetrics" ? ["# EOF"] : []), ""].join("\n");
}

function formatFamily(family: MetricFamily, format: Exposition): string[] {
  const { name, type, unit, help, samples } = family;
  const isOpen = format === "openmetrics";
  const suffix = type === "counter" ? "_total" : type === "info" ? "_info" : "";
  const told = isOpen ? name : name + suffix;
  const shownType = type === "info" && !isOpen ? "gauge" : type;
  return [
    `# HELP ${told} ${escape(help, isOpen)}`,
    `# TYPE ${told} ${shownType}`,
    ...(unit === undefined ? [] : [`# UNIT ${told} ${unit}`]),
    ...samples.flatMap((sample) =>
      sample.histogram === undefined
        ? [`${name}${suffix}${formatLabels(sample.labels)} ${formatNumber(sample.value)}`]
        : formatHistogram(name, sample.labels, sample.histogram),
    ),
  ];
}

function formatHistogram(
  name: string,
  labels: MetricSample["labels"],
  { buckets, count, sum }: NonNullable<MetricSample["histogram"]>,
): string[] {
  const rest = formatLabels(labels);
  const bucket = (le: string, value: number): string =>
    `${name}_bucket${formatLabels({ ...labels, le })} ${formatNumber(value)}`;
  return [
    ...buckets.map(({ upTo, count: value }) => bucket(formatBound(upTo), value)),
    bucket("+Inf", count),
    `${name}_sum${rest} ${formatNumber(sum)}`,
    `${name}_count${rest} ${formatNumber(count)}`,
  ];
}

function formatLabels(labels: MetricSample["labels"]): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value, true)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** A quotation mark is escaped in the values of labels, and by OpenMetrics in the help too. */
function escape(text: string, quotes: boolean): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? escaped.replaceAll('"', '\\"') : escaped;
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

/** OpenMetrics wants bounds with a decimal point: `1.0`. */
function formatBound(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
