import { hostname } from "node:os";
import process from "node:process";

import { StatsD } from "hot-shots";

import { ResourceReporter, Worker } from "../../src/pool/index.ts";

/** The data that the pool gives to every worker. */
export interface Settings {
  readonly statsd: { readonly host: string; readonly port: number };
  readonly reportMs: number;
}

/** Stands for the client of an error tracker: `Sentry.init({ dsn })` and `Sentry.captureException`. */
function captureException(error: unknown): void {
  console.error(`[${hostname()} ${process.title}] captured: ${String(error)}`);
}

/** A worker with a title, its resources in statsd and its errors in an error tracker. */
export default class InstrumentedWorker extends Worker<string, string, never, Settings> {
  #statsd: StatsD | undefined;
  #reporter: ResourceReporter | undefined;

  override initialise(): void {
    process.title = `shop pool worker ${this.number}`;
    // An uncaught error is recorded, then the worker ends and another takes its place.
    process.on("uncaughtExceptionMonitor", captureException);
    const { statsd, reportMs } = this.data;
    this.#statsd = new StatsD({ ...statsd, prefix: "shop.", errorHandler: captureException });
    this.#reporter = new ResourceReporter(this.#statsd, {
      prefix: `worker.instrumented.process.${this.number}`,
      intervalMs: reportMs,
    });
    this.#reporter.start();
  }

  override async processMessage(message: string): Promise<string> {
    try {
      if (message === "bad") throw new RangeError("a bad message");
      return `${message} by ${process.title}`;
    } catch (error) {
      captureException(error);
      throw error;
    }
  }

  override async finish(): Promise<void> {
    this.#reporter?.stop();
    await new Promise<void>((resolve) => {
      if (this.#statsd === undefined) resolve();
      else this.#statsd.close(() => resolve());
    });
  }
}
