import { type BlockedLoop, LoopWatch } from "./loop-watch.ts";
import type { ResourceReport } from "./protocol.ts";
import { ResourceMeter } from "./worker/resources.ts";

/** A statsd client: hot-shots, or any other with such a `gauge`. */
export interface GaugeClient {
  /** Sends the present value of a gauge; the return value is ignored. */
  gauge(name: string, value: number): unknown;
}

/** Options of a `ResourceReporter`. */
export interface ResourceReporterOptions {
  /** The prefix of every gauge name: `fetch.worker.0`. */
  readonly prefix: string;
  /** Milliseconds between two reports. Default 10,000. */
  readonly intervalMs?: number;
  /**
   * Report that the event loop was blocked for at least this many milliseconds, at most once a
   * minute: to `onBlocked`, otherwise as a line on stderr. Default: not reported.
   */
  readonly blockedMs?: number;
  /** Called after such a block. */
  readonly onBlocked?: (blocked: BlockedLoop) => void;
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
 * Sends the resource use of this process to a statsd server at regular intervals, and reports
 * blocks of its event loop. Made for workers, in their `setup`; it works in any process.
 */
export class ResourceReporter implements Disposable {
  readonly #client: GaugeClient;
  readonly #prefix: string;
  readonly #intervalMs: number;
  #meter: ResourceMeter | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #watch: LoopWatch | undefined;

  constructor(client: GaugeClient, options: ResourceReporterOptions) {
    const { prefix, intervalMs = 10_000, blockedMs, onBlocked } = options;
    this.#client = client;
    this.#prefix = prefix;
    this.#intervalMs = intervalMs;
    if (blockedMs !== undefined)
      this.#watch = new LoopWatch(blockedMs, onBlocked ?? ((blocked) => warn(prefix, blocked)));
  }

  /** Starts the reports; the first is sent after one interval. Its timer does not keep the process alive. */
  start(): void {
    this.#watch?.start();
    this.#meter ??= meterOfThisThread();
    this.#timer ??= setInterval(() => this.report(), this.#intervalMs).unref();
  }

  /** Sends the gauges immediately. */
  report(): void {
    const meter = (this.#meter ??= meterOfThisThread());
    this.#gauge("loop.blocked", meter.longestDelayMs);
    const report = meter.read();
    for (const [name, key] of Object.entries(GAUGES)) this.#gauge(name, report[key]);
  }

  #gauge(name: string, value: number): void {
    this.#client.gauge(`${this.#prefix}.${name}`, Math.round(value * 1_000) / 1_000);
  }

  /** Ends the reports. They may be started again. */
  stop(): void {
    this.#watch?.stop();
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#meter?.stop();
    this.#meter = undefined;
  }

  /** The same as `stop`, for `using`. */
  [Symbol.dispose](): void {
    this.stop();
  }
}

function warn(prefix: string, { durationMs, times, longestMs }: BlockedLoop): void {
  const more =
    times === 1
      ? ""
      : `, ${times} times since the last notice, at most ${Math.round(longestMs)} ms`;
  process.stderr.write(
    `${prefix}: the event loop stood still for ${Math.round(durationMs)} ms${more}\n`,
  );
}

function meterOfThisThread(): ResourceMeter {
  return new ResourceMeter(!process.getBuiltinModule("node:worker_threads").isMainThread);
}
