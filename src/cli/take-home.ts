import type { ErrorCode } from "../base/error-codes.ts";
import { hasCode } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { Options } from "./command.ts";

/** How often a daemon that waits for the home looks whether it is free, in milliseconds. */
const LOOK_MS = 500;

export const WAIT_OPTION: Options = {
  wait: { summary: "wait until no other serves the home, instead of failing" },
};

/**
 * Takes a home's lock; when another daemon has it, fails or waits for that one's end.
 *
 * @param taken - the code that `lock` throws when another has it
 */
export async function takeHome<T>(lock: () => T, taken: ErrorCode, wait: boolean): Promise<T> {
  for (;;) {
    try {
      return lock();
    } catch (error) {
      if (!wait || !hasCode(error, taken)) throw error;
    }
    await sleep(LOOK_MS);
  }
}
