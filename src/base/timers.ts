import { newelError } from "./errors.ts";
import { clearTimeout, setTimeout } from "./globals.ts";

/** Resolves after `ms` milliseconds, or at once when `signal` aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/**
 * Resolves to the promise's value, or rejects when it takes too long. The work itself is not stopped.
 *
 * @param limitMs - milliseconds
 * @param what - names the work in the error
 * @throws NEWEL_E_DEADLINE
 */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(newelError("NEWEL_E_DEADLINE", { what, limitMs })), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The longest delay of a Node.js timer, in milliseconds; a longer one would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** A timer that {@link startTimer} started. */
export interface Timer {
  stop(): void;
}

/**
 * Calls `done` after any time, including one longer than {@link MAX_TIMER_MS}; never after `Infinity`. The
 * timer does not keep the program alive.
 *
 * @param ms - milliseconds
 */
export function startTimer(ms: number, done: () => void): Timer {
  if (ms === Number.POSITIVE_INFINITY) return { stop: () => undefined };
  let leftMs = ms;
  let timer: NodeJS.Timeout;
  const next = (): void => {
    const nowMs = Math.min(leftMs, MAX_TIMER_MS);
    leftMs -= nowMs;
    timer = setTimeout(leftMs > 0 ? next : done, nowMs).unref();
  };
  next();
  return { stop: () => clearTimeout(timer) };
}
