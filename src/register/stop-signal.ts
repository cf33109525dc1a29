import { messageOf } from "../base/errors.ts";

import { report } from "./report.ts";

/**
 * Takes the stop signal before the app's own handlers, whenever those were added, and lets them run
 * once the drain is over; without handlers the process then ends with exit code 0 (or
 * `process.exitCode`). A second signal during the drain has no effect.
 *
 * @param drain - is given a question: whether the app has handlers of its own
 * @param farewell - the last thing before the exit of an app without handlers
 */
export function takeStopSignal(
  signal: NodeJS.Signals,
  drain: (appHandles: () => boolean) => Promise<void>,
  farewell: () => Promise<void>,
): void {
  const emit = process.emit.bind(process) as (event: string, ...args: unknown[]) => boolean;
  let state: "waiting" | "draining" | "done" = "waiting";

  // Node delivers a signal by process.emit, which it binds when the signal gets its first listener;
  // so this comes first, then the listener.
  process.emit = (event: string, ...args: unknown[]): boolean => {
    if (event !== signal || state === "done") return emit(event, ...args);
    if (state === "waiting") {
      state = "draining";
      void drain(appHandles)
        .catch((error: unknown) => report(`the drain failed (${messageOf(error)})`))
        .then(() => finish(args));
    }
    return true;
  };

  // Without a listener the signal would end the process; what it does is done in emit.
  const listener = (): void => undefined;
  const appHandles = (): boolean => process.listeners(signal).some((other) => other !== listener);
  process.on(signal, listener);
  process.on("removeListener", (event: string | symbol) => {
    // `process.removeAllListeners(signal)` means the app's own; later, since it is still at it.
    if (event !== signal) return;
    queueMicrotask(() => {
      if (state !== "done" && !process.listeners(signal).includes(listener))
        process.on(signal, listener);
    });
  });

  const finish = async (args: readonly unknown[]): Promise<void> => {
    if (!appHandles()) await farewell();
    state = "done";
    // Gone, so that a handler that counts the listeners or sends the signal again sees plain Node.
    process.off(signal, listener);
    if (process.listenerCount(signal) === 0) process.exit();
    emit(signal, ...args);
  };
}
