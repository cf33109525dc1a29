import { messageOf } from "../../base/errors.ts";
import type { MetricFamily } from "../api.ts";
import type { App } from "../app.ts";
import type { ResolvedMetrics } from "../config/resolved.ts";

interface ExportersParts {
  readonly apps: () => Iterable<App>;
  readonly collect: (apps: readonly string[]) => Promise<readonly MetricFamily[]>;
  readonly log: (text: string) => void;
}

/** Sends one reading, and returns how it failed. */
type Send = (families: readonly MetricFamily[], signal: AbortSignal) => Promise<string | undefined>;

/** A target that metrics are sent to; apps that configure the same target share it. */
interface Exporter {
  readonly kind: "otlp" | "statsd";
  readonly everyMs: number;
  readonly load: () => Promise<Send>;
}

/**
 * Sends the metrics of apps to the targets of their configurations, one reading after the other; apps of the same target
 * share its readings. A target that fails is logged once, and tried again at the next interval. Nothing is loaded while
 * no app has a target.
 */
export class Exporters {
  readonly #parts: ExportersParts;
  readonly #running = new Map<string, AbortController>();
  readonly #startMs = Date.now();

  constructor(parts: ExportersParts) {
    this.#parts = parts;
  }

  /** Starts and ends exporters until they are those of the apps. */
  settle(): void {
    const wanted = new Map<string, Exporter>();
    for (const { config } of this.#parts.apps())
      for (const [key, exporter] of this.#targetsOf(config.metrics)) wanted.set(key, exporter);
    for (const [key, abort] of this.#running) {
      if (wanted.has(key)) continue;
      abort.abort();
      this.#running.delete(key);
    }
    for (const [key, exporter] of wanted) {
      if (this.#running.has(key)) continue;
      const abort = new AbortController();
      this.#running.set(key, abort);
      void this.#run(key, exporter, abort.signal);
    }
  }

  close(): void {
    for (const abort of this.#running.values()) abort.abort();
    this.#running.clear();
  }

  #targetsOf(metrics: ResolvedMetrics | undefined): [string, Exporter][] {
    const { otlp, statsd } = metrics ?? {};
    return [
      ...(otlp === undefined
        ? []
        : ([[`otlp ${JSON.stringify(otlp)}`, this.#otlp(otlp)]] as [string, Exporter][])),
      ...(statsd === undefined
        ? []
        : ([[`statsd ${JSON.stringify(statsd)}`, statsdExporter(statsd)]] as [string, Exporter][])),
    ];
  }

  #otlp(target: NonNullable<ResolvedMetrics["otlp"]>): Exporter {
    const load = async (): Promise<Send> => {
      const { sendOtlp } = await import("./otlp.ts");
      return (families, signal) => {
        const times = { nowMs: Date.now(), startMs: this.#startMs };
        return sendOtlp(target, families, { times, signal });
      };
    };
    return { kind: "otlp", everyMs: target.everyMs, load };
  }

  async #run(key: string, { kind, everyMs, load }: Exporter, signal: AbortSignal): Promise<void> {
    let failed: string | undefined;
    let send: Send | undefined;
    const exportOnce = async (): Promise<string | undefined> => {
      try {
        send ??= await load();
        const families = await this.#parts.collect(this.#appsOf(key));
        return signal.aborted ? undefined : await send(families, signal);
      } catch (error) {
        return messageOf(error);
      }
    };
    while (!signal.aborted) {
      const why = await exportOnce();
      if (signal.aborted) return;
      if (why !== undefined && failed === undefined)
        this.#parts.log(`The metrics were not sent (metrics.${kind}): ${why}`);
      if (why === undefined && failed !== undefined)
        this.#parts.log(`The metrics are sent again (metrics.${kind}).`);
      failed = why;
      await pause(everyMs, signal);
    }
  }

  #appsOf(key: string): string[] {
    return [...this.#parts.apps()].flatMap(({ name, config }) =>
      this.#targetsOf(config.metrics).some(([each]) => each === key) ? [name] : [],
    );
  }
}

function statsdExporter(target: NonNullable<ResolvedMetrics["statsd"]>): Exporter {
  const load = async (): Promise<Send> => {
    const { sendStatsd, StatsdLines } = await import("./statsd.ts");
    const lines = new StatsdLines();
    return (families) => sendStatsd(target, lines.next(families));
  };
  return { kind: "statsd", everyMs: target.everyMs, load };
}

/** A pause that does not keep the supervisor alive. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms).unref();
    signal.addEventListener("abort", done, { once: true });
  });
}
