import type { ResourceReport } from "./protocol.ts";
import { ResourceMeter } from "./worker/resources.ts";

/** A statsd client: hot-shots, or any other with such a `gauge`. */
export interface GaugeClient {
  gauge(name: string, value: number): unknown;
}

export interface ResourceReporterOptions {
  /** Begins the name of every gauge: `fetch.worker.0`. */
  readonly prefix: string;
  /** Milliseconds between two reports. Default 10,000. */
  readonly intervalMs?: number;
}

const GAUGES: Readonly<Record<string, keyof ResourceReport>> = {
  cpu: "cpu",
  "memory.rss": "rssBytes",
  "memory.heap": "heapUsedBytes",
  "loop.delay": "loopDelayMs",
  "loop.utilization": "loopUtilization",
  "loop.handles": "handles",
  "loop.timers": "timers",
};

/**
 * Sends what this process takes of the machine to a statsd server, from time to time. Made for
 * workers, in their `setup`; it works in any process.
 */
export class ResourceReporter implements Disposable {
  readonly #client: GaugeClient;
  readonly #prefix: string;
  readonly #intervalMs: number;
  #meter: ResourceMeter | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: GaugeClient, { prefix, intervalMs = 10_000 }: ResourceReporterOptions) {
    this.#client = client;
    this.#prefix = prefix;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#meter ??= new ResourceMeter();
    this.#timer ??= setInterval(() => this.report(), this.#intervalMs).unref();
  }

  /** Sends the gauges at once. */
  report(): void {
    const report = (this.#meter ??= new ResourceMeter()).read();
    for (const [name, key] of Object.entries(GAUGES))
      this.#client.gauge(`${this.#prefix}.${name}`, Math.round(report[key] * 1_000) / 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#meter?.stop();
    this.#meter = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
