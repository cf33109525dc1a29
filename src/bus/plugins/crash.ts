import type { Bus } from "../bus.ts";
import { currentConnection } from "../drain.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { ExitRequest } from "../failures.ts";

/**
 * Has the bus shut down when an error reaches nobody (an uncaught exception, an unhandled
 * rejection), where Node would end the process at once: the error is logged, the connection whose
 * request it came from is broken off, every stop and exit listener runs, and the exit code is 70. An
 * `ExitRequest` thrown anywhere is such an error too: it asks for the exit with its own code.
 *
 * @returns takes it off again
 */
export function exitOnCrash(bus: Bus): () => void {
  const crashed = (error: unknown): void => {
    currentConnection()?.destroy();
    if (error instanceof ExitRequest) {
      void bus.exit(error.exitCode ?? EXIT_CODES.ok);
    } else {
      bus.log("Nobody caught this error; shutting down.", "error", error);
      process.exitCode = EXIT_CODES.listenerFailed;
      void bus.exit(EXIT_CODES.listenerFailed);
    }
  };
  // With this listener there, unhandled rejections arrive here as well.
  process.on("uncaughtException", crashed);
  const off = (): void => void process.off("uncaughtException", crashed);
  bus.subscribe("exited", off, { name: "crash" });
  return off;
}
