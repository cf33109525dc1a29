import { messageOf } from "../base/errors.ts";

import { report } from "./report.ts";

/** The actions that the stop signal starts. */
export interface StopActions {
  /** Called with a function that returns whether the app has its own handlers. */
  readonly drain: (appHandles: () => boolean) => Promise<void>;
  /** The last action before the exit of an app without handlers. */
  readonly farewell: () => Promise<void>;
}

/**
 * Prepares to handle the stop signal before the app's handlers, whenever those are added. Until the returned
 * function is called nothing changes: the signal ends the process or reaches its handlers.
 *
 * From then on the signal starts the drain, and the handlers of the app run once the drain is over;
 * without handlers the process then ends with exit code 0 (or `process.exitCode`). A second signal
 * during the drain has no effect.
 */
export function prepareStopSignal(signal: NodeJS.Signals): (actions: StopActions) => void {
  const emit = process.emit.bind(process) as (event: string, ...args: unknown[]) => boolean;
  let begin: ((args: readonly unknown[]) => void) | undefined;

  // Node delivers a signal by process.emit, which it binds when the signal gets its first listener;
  // hence this early replacement.
  process.emit = (event: string, ...args: unknown[]): boolean => {
    if (event !== signal || begin === undefined) return emit(event, ...args);
    begin(args);
    return true;
  };

  return ({ drain, farewell }) => {
    // Without a listener the signal would end the process; the replaced emit does the work.
    const listener = (): void => undefined;
    const appHandles = (): boolean => process.listeners(signal).some((other) => other !== listener);
    let isDraining = false;
    let isOver = false;
    begin = (args) => {
      if (isDraining) return;
      isDraining = true;
      void drain(appHandles)
        .catch((error: unknown) => report(`the drain failed (${messageOf(error)})`))
        .then(() => finish(args));
    };
    const finish = async (args: readonly unknown[]): Promise<void> => {
      if (!appHandles()) await farewell();
      isOver = true;
      begin = undefined;
      // Removed, so that a handler that counts the listeners or sends the signal again sees plain Node.
      process.off(signal, listener);
      if (process.listenerCount(signal) === 0) process.exit();
      emit(signal, ...args);
    };
    process.on(signal, listener);
    process.on("removeListener", (event: string | symbol) => {
      // `process.removeAllListeners(signal)` means the app's listeners; added again later, because the
      // removal is still in progress.
      if (event !== signal) return;
      queueMicrotask(() => {
        if (!isOver && !process.listeners(signal).includes(listener)) process.on(signal, listener);
      });
    });
  };
}
