import { makeBlocking } from "./internals.ts";

/**
 * Makes stdout and stderr blocking, so that the last output before `process.exit()`, `abort()` or an uncaught
 * error arrives completely. The cost: a reader that stops reading blocks the app; the kernel's pump always
 * reads.
 */
export function makeOutputWhole(): void {
  makeBlocking(process.stdout);
  makeBlocking(process.stderr);
}
