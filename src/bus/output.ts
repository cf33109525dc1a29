import type { Writable } from "node:stream";

/** How long leaving waits for a reader of stdout and stderr, in milliseconds. */
const FLUSH_LIMIT_MS = 10_000;

/**
 * Resolves once everything written to stdout and stderr has reached the operating system. A pipe
 * whose reader is slow takes only 64 KiB at once: `process.exit()` and execve lose the rest.
 *
 * @param limitMs - gives up after that many milliseconds; default 10,000
 */
export async function flushOutput(limitMs: number = FLUSH_LIMIT_MS): Promise<void> {
  await Promise.all([flushed(process.stdout, limitMs), flushed(process.stderr, limitMs)]);
}

function flushed(stream: Writable, limitMs: number): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stream.off("error", done);
      stream.off("close", done);
      resolve();
    };
    // A reader that went away cannot be served: that is an end as well, and no reason to stay.
    const timer = setTimeout(done, limitMs);
    stream.once("error", done);
    stream.once("close", done);
    stream.write("", done);
  });
}

/** Ends the process with this code, its output flushed. */
export async function leave(exitCode: number, flushLimitMs?: number): Promise<never> {
  await flushOutput(flushLimitMs);
  process.exit(exitCode);
}
