import type { ErrorCode } from "./error-codes.ts";
import { hasCode } from "./errors.ts";
import { sleep } from "./timers.ts";

/** How often a daemon that waits for the home tries its lock, in milliseconds. */
const POLL_MS = 500;

/**
 * Takes a home's lock; when another daemon has it, fails or waits until that daemon ends.
 *
 * @param taken - the code that `lock` throws when another daemon has it
 */
export async function takeHome<T>(lock: () => T, taken: ErrorCode, wait: boolean): Promise<T> {
  for (;;) {
    try {
      return lock();
    } catch (error) {
      if (!wait || !hasCode(error, taken)) throw error;
    }
    await sleep(POLL_MS);
  }
}
