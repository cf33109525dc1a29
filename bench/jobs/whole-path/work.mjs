/** Milliseconds since 1970, finer than `Date.now()`; processes are compared by it. */
export function now() {
  return performance.timeOrigin + performance.now();
}
