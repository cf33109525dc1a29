import type { Writable } from "node:stream";

const guarded = new WeakSet<Writable>();

/**
 * Handles the errors of a stream until it ends. Without a listener for them, a reader that
 * disconnects (EPIPE) or a terminal that is closed (EIO) ends the program.
 */
export function survive(stream: Writable, failed?: (error: unknown) => void): void {
  if (failed !== undefined) stream.once("error", failed);
  if (guarded.has(stream)) return;
  guarded.add(stream);
  stream.on("error", () => undefined);
}

/** Writes a line to stderr; it is lost if stderr has no reader. */
export function writeError(line: string): void {
  survive(process.stderr);
  process.stderr.write(`${line}\n`);
}

/** The time that leaving waits for a reader of stdout and stderr, in milliseconds. */
const FLUSH_LIMIT_MS = 10_000;

/**
 * Resolves once all output to stdout and stderr has reached the operating system. A pipe with a
 * slow reader accepts only 64 KiB at once: `process.exit()` and execve lose the rest.
 *
 * @param limitMs - gives up after that many milliseconds; default 10,000
 */
export async function flushOutput(limitMs: number = FLUSH_LIMIT_MS): Promise<void> {
  await Promise.all([flushed(process.stdout, limitMs), flushed(process.stderr, limitMs)]);
}

function flushed(stream: Writable, limitMs: number): Promise<void> {
  survive(stream);
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stream.off("error", done);
      stream.off("close", done);
      resolve();
    };
    // Without a reader nothing can be flushed: the process does not wait for one.
    const timer = setTimeout(done, limitMs);
    stream.once("error", done);
    stream.once("close", done);
    stream.write("", done);
  });
}

/** Ends the process with this code, after its output was flushed. */
export async function leave(exitCode: number, flushLimitMs?: number): Promise<never> {
  await flushOutput(flushLimitMs);
  process.exit(exitCode);
}
