import { createSocket } from "node:dgram";

import { messageOf } from "../../base/errors.ts";
import type { MetricFamily, MetricSample } from "../api.ts";
import type { ResolvedStatsd } from "../config/resolved.ts";
import { attributeName, otelName } from "./otel-names.ts";

/** A datagram of this size passes every Ethernet unbroken, in bytes. */
const DATAGRAM_BYTES = 1_400;

/**
 * Metrics as lines of the DogStatsD form of statsd. Its counters are differences, so the values of the former reading
 * are kept; a counter that is seen for the first time in the first reading counts from there.
 */
export class StatsdLines {
  #counters = new Map<string, number>();
  #isFirst = true;

  /** The lines of one reading: `process.memory.usage:70000000|g|#service.name:web`. */
  next(families: readonly MetricFamily[]): string[] {
    const counters = new Map<string, number>();
    const lines = families.flatMap((family) => {
      const known = otelName(family.name);
      if (known === undefined) return [];
      return family.samples.flatMap((sample) =>
        this.#linesOf(known.name, family.type, sample, counters),
      );
    });
    this.#counters = counters;
    this.#isFirst = false;
    return lines;
  }

  #linesOf(
    name: string,
    type: MetricFamily["type"],
    { labels, value, histogram }: MetricSample,
    counters: Map<string, number>,
  ): string[] {
    const tags = tagsOf(labels);
    if (histogram !== undefined)
      return [
        ...this.#difference(`${name}.count`, tags, histogram.count, counters),
        ...this.#difference(`${name}.sum`, tags, histogram.sum, counters),
      ];
    if (type === "counter") return this.#difference(name, tags, value, counters);
    return Number.isFinite(value) ? [`${name}:${value}|g${tags}`] : [];
  }

  #difference(name: string, tags: string, value: number, counters: Map<string, number>): string[] {
    const key = name + tags;
    counters.set(key, value);
    const before = this.#counters.get(key) ?? (this.#isFirst ? value : 0);
    // A counter that fell has begun again.
    const difference = value >= before ? value - before : value;
    return difference === 0 ? [] : [`${name}:${difference}|c${tags}`];
  }
}

function tagsOf(labels: MetricSample["labels"]): string {
  const pairs = Object.entries(labels).map(([label, value]) => {
    return `${attributeName(label)}:${value.replaceAll(/[\s|,#]/g, "_")}`;
  });
  return pairs.length === 0 ? "" : `|#${pairs.join(",")}`;
}

/** Lines as datagrams. */
export function datagrams(lines: readonly string[]): string[] {
  const texts: string[] = [];
  for (const line of lines) {
    const last = texts.at(-1);
    const joined = `${last}\n${line}`;
    if (last !== undefined && Buffer.byteLength(joined) <= DATAGRAM_BYTES)
      texts[texts.length - 1] = joined;
    else texts.push(line);
  }
  return texts;
}

/** @returns how it failed; an address without a receiver is no failure of UDP */
export async function sendStatsd(
  { host, port }: ResolvedStatsd,
  lines: readonly string[],
): Promise<string | undefined> {
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4" });
  try {
    for (const text of datagrams(lines))
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.send(text, port, host, (error) => (error === null ? resolve() : reject(error)));
      });
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    socket.removeAllListeners("error").on("error", () => undefined);
    socket.close();
  }
}
