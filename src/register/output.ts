import { makeBlocking } from "./internals.ts";

/**
 * Makes stdout and stderr blocking, so that the last words before `process.exit()`, `abort()` or an
 * uncaught error arrive whole. The price: a reader that does not read stops the app; the kernel's
 * pump reads always.
 */
export function makeOutputWhole(): void {
  makeBlocking(process.stdout);
  makeBlocking(process.stderr);
}
