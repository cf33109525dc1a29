/**
 * A strict reader of metrics as text, after the page "Exposition formats" of Prometheus and OpenMetrics 1.0: a
 * line that a scraper would skip is an error here.
 */

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly unit?: string;
  readonly samples: readonly ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const TYPES = {
  prometheus: new Set(["counter", "gauge", "histogram", "summary", "untyped"]),
  openmetrics: new Set(["counter", "gauge", "histogram", "summary", "info", "stateset", "unknown"]),
};
const NUMBER = /^([+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]Inf|NaN)$/i;

/** Reads a whole document; throws at the first line that the format does not allow. */
export function parseExposition(
  text: string,
  format: "prometheus" | "openmetrics",
): ReadonlyMap<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily & { readonly samples: ParsedSample[] }>();
  if (!text.endsWith("\n")) throw new Error("the last line must end with a line feed");
  const lines = text.slice(0, -1).split("\n");
  if (format === "openmetrics" && lines.pop() !== "# EOF") throw new Error("no # EOF at the end");
  let help: string | undefined;
  let current: (ParsedFamily & { readonly samples: ParsedSample[] }) | undefined;
  const fail = (line: string, why: string): never => {
    throw new Error(`${why}: ${line}`);
  };
  for (const line of lines) {
    const [, key, name = "", rest = ""] =
      new RegExp(`^# (HELP|TYPE|UNIT) (${NAME}) (.+)$`).exec(line) ?? [];
    if (key === "HELP") {
      if (families.has(name)) fail(line, "a second HELP of a family");
      if (rest.replaceAll(/\\[\\n"]/g, "").includes("\\"))
        fail(line, "an escape that does not exist");
      help = name;
    } else if (key === "TYPE") {
      if (help !== name) fail(line, "TYPE without HELP of the family");
      if (!TYPES[format].has(rest)) fail(line, "no type of this format");
      const isTotal = name.endsWith("_total");
      if (rest === "counter" && isTotal !== (format === "prometheus"))
        fail(line, "_total in the name of the family");
      if (families.has(name)) fail(line, "a second TYPE of a family");
      current = { name, type: rest, samples: [] };
      families.set(name, current);
    } else if (key === "UNIT") {
      if (current?.name !== name || current.samples.length > 0) fail(line, "UNIT out of place");
      const family = name.replace(/_total$/, "");
      if (!family.endsWith(`_${rest}`)) fail(line, "the name does not end with its unit");
      current = { name, type: current?.type ?? "", unit: rest, samples: [] };
      families.set(name, current);
    } else if (line.startsWith("#")) fail(line, "no line of metadata");
    else {
      if (current === undefined) throw new Error(`a sample before its TYPE: ${line}`);
      const sample = parseSample(line);
      if (!isOf(sample, current, format)) fail(line, `no sample of ${current.name}`);
      const isTwin = ({ name, labels }: ParsedSample): boolean =>
        name === sample.name && JSON.stringify(labels) === JSON.stringify(sample.labels);
      if (current.samples.some(isTwin)) fail(line, "the same sample twice");
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function parseSample(line: string): ParsedSample {
  const pair = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"`;
  const match = new RegExp(`^(${NAME})(?:\\{(${pair}(?:,${pair})*)\\})? (\\S+)$`).exec(line);
  const [, name = "", list = "", number = ""] = match ?? [];
  if (match === null || !NUMBER.test(number)) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, label = "", value = ""] of list.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (Object.hasOwn(labels, label)) throw new Error(`a label twice: ${line}`);
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) =>
      escaped === "n" ? "\n" : escaped,
    );
  }
  const value = Number(number.replace("Inf", "Infinity"));
  return { name, labels, value };
}

function isOf(
  { name, value }: ParsedSample,
  { name: family, type }: ParsedFamily,
  format: "prometheus" | "openmetrics",
): boolean {
  if (type === "histogram")
    return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name);
  if (type === "counter" && (value < 0 || Number.isNaN(value))) return false;
  if (format === "prometheus") return name === family;
  const suffix = { counter: "_total", info: "_info" }[type] ?? "";
  return name === family + suffix && (type !== "info" || value === 1);
}

/** Buckets grow, the last one is +Inf, and it is the count. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = "" } }) => Number(le.replace("Inf", "Infinity")));
    const counts = buckets.map(({ value }) => value);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const hasSum = group.some((sample) => sample.name === `${name}_sum`);
    const grows = (list: readonly number[], equal: boolean): boolean =>
      list.every(
        (value, at) => at === 0 || value > (list[at - 1] ?? 0) || (equal && value === list[at - 1]),
      );
    if (!grows(bounds, false) || !grows(counts, true)) throw new Error(`buckets of ${name}`);
    if (bounds.at(-1) !== Infinity || counts.at(-1) !== count || !hasSum)
      throw new Error(`the +Inf bucket of ${name}`);
  }
}
