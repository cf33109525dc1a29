/**
 * Timers, clock and task queues from the moment at which newel was loaded. Code that imports them from here
 * keeps working after a test runner's fake timers, or a library, have replaced the globals.
 */
export const setTimeout: typeof globalThis.setTimeout = globalThis.setTimeout;
export const clearTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout;
export const setInterval: typeof globalThis.setInterval = globalThis.setInterval;
export const clearInterval: typeof globalThis.clearInterval = globalThis.clearInterval;
export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate;
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;
export const nextTick: typeof process.nextTick = process.nextTick.bind(process);
/** Milliseconds of a monotonic clock: `performance.now()`. */
export const monotonicMs: () => number = performance.now.bind(performance);
