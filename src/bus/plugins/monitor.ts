import type { Bus } from "../bus.ts";

/**
 * Calls a function repeatedly, each time after a pause since the last call ended. The first error
 * ends it.
 */
export class PerpetualTimer {
  readonly #run: () => unknown;
  readonly #intervalMs: number;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> = Promise.resolve();
  #running = false;

  /**
   * @param run - called first after one pause; may be asynchronous
   * @param intervalMs - the pause, in milliseconds
   * @param onError - called with the error that ended it
   */
  constructor(run: () => unknown, intervalMs: number, onError: (error: unknown) => void) {
    this.#run = run;
    this.#intervalMs = intervalMs;
    this.#onError = onError;
  }

  /** Whether it was started, and neither cancelled nor ended by an error. */
  get running(): boolean {
    return this.#running;
  }

  /** Starts the first pause. A call while it runs changes nothing. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#schedule();
  }

  /** Ends it immediately; resolves when a running call has ended, too. */
  cancel(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    return this.#busy;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#busy = this.#once();
    }, this.#intervalMs);
  }

  async #once(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#running = false;
      this.#onError(error);
    }
    if (this.#running) this.#schedule();
  }
}

/** Options of `monitor`. */
export interface MonitorOptions {
  /** The pause between two calls, in milliseconds. Default 60,000; 0 or less: never called. */
  readonly intervalMs?: number;
  /** Names it in logs. Default: the function's name. */
  readonly name?: string;
}

/**
 * Calls a function repeatedly while the bus is started. `graceful` restarts the pause. The first
 * error is logged and ends it until the next start.
 */
export function monitor(bus: Bus, run: () => unknown, options: MonitorOptions = {}): void {
  const { intervalMs = 60_000, name = run.name === "" ? "monitor" : run.name } = options;
  const timer = new PerpetualTimer(run, intervalMs, (error) =>
    bus.log(`The monitor ${name} failed and has ended.`, "error", error),
  );
  const start = (): void => {
    if (intervalMs <= 0) return;
    if (timer.running) bus.log(`The monitor ${name} is running already`);
    else timer.start();
  };
  // A call may itself stop the bus: that stop must not wait for the call.
  const stop = (): void => void timer.cancel();
  bus.subscribe("start", start, { name, priority: 70 });
  bus.subscribe("stop", stop, { name, priority: 50 });
  bus.subscribe(
    "graceful",
    () => {
      stop();
      start();
    },
    { name, priority: 70 },
  );
}
