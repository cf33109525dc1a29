import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";

/** Options of `backgroundTask`. */
export interface BackgroundTaskOptions {
  /** Names the task in logs and while the process waits for it. Default: the function's name. */
  readonly name?: string;
  /** Priority of the `start` listener; that of `stop` mirrors it (100 - priority). Default 70. */
  readonly priority?: number;
  /** The time that it may take to end after the abort, in milliseconds. Default: that of `stop`. */
  readonly timeoutMs?: number;
  /**
   * The delay before it runs again after an error, in milliseconds. Default: it does not run again.
   */
  readonly retryMs?: number;
}

/**
 * Runs a long task concurrently while the bus is started. Its signal aborts when it must end, and
 * `stop` waits until it has. An error is logged.
 *
 * @example
 * backgroundTask(bus, async (signal) => {
 *   for await (const message of queue.messages({ signal })) await handle(message);
 * });
 */
export function backgroundTask(
  bus: Bus,
  run: (signal: AbortSignal) => Promise<unknown>,
  options: BackgroundTaskOptions = {},
): void {
  const { name = run.name === "" ? "background task" : run.name, priority = 70 } = options;
  let abort = new AbortController();
  let ended: Promise<void> = Promise.resolve();
  const work = async (signal: AbortSignal): Promise<void> => {
    do {
      try {
        await run(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        bus.log(`The background task ${name} failed.`, "error", error);
      }
      if (options.retryMs !== undefined) await sleep(options.retryMs, signal);
    } while (options.retryMs !== undefined && !signal.aborted);
  };
  const start = (): void => {
    abort = new AbortController();
    ended = work(abort.signal);
    bus.keep(name, ended);
  };
  const stop = (): Promise<void> => {
    abort.abort();
    return ended;
  };
  bus.subscribe("start", start, { name, priority });
  bus.subscribe("stop", stop, {
    name,
    priority: 100 - priority,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
}
