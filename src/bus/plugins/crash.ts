import type { Bus } from "../bus.ts";
import { currentConnection } from "../drain.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { isExitRequest } from "../failures.ts";
import { survive } from "../output.ts";

/** The most uncaught errors that are logged. */
const MOST_LOGGED = 10;

/**
 * Makes the bus shut down after an uncaught exception or an unhandled rejection, instead of the
 * immediate end by Node.js: the error is logged, the connection whose request caused it is
 * destroyed, every stop and exit listener runs, and the exit code is 70. An `ExitRequest` that is
 * thrown anywhere requests the exit with its own code.
 *
 * A reader of stdout or stderr that disconnects is no crash. Of further errors during the shutdown
 * only the first ones are logged: an error that logging itself causes would otherwise recur without
 * end.
 *
 * @returns a function that removes the handlers
 */
export function exitOnCrash(bus: Bus): () => void {
  for (const stream of [process.stdout, process.stderr]) survive(stream);
  let errors = 0;
  const crashed = (error: unknown): void => {
    errors += 1;
    if (errors > MOST_LOGGED) return;
    currentConnection()?.destroy();
    if (isExitRequest(error)) {
      void bus.exit(error.exitCode ?? EXIT_CODES.ok);
    } else {
      const last = errors === MOST_LOGGED ? " Later ones are not logged." : "";
      bus.log(`An error was not caught; shutting down.${last}`, "error", error);
      process.exitCode = EXIT_CODES.listenerFailed;
      void bus.exit(EXIT_CODES.listenerFailed);
    }
  };
  // With this listener, unhandled rejections arrive here as well.
  process.on("uncaughtException", crashed);
  const off = (): void => void process.off("uncaughtException", crashed);
  bus.subscribe("exited", off, { name: "crash" });
  return off;
}
