/**
 * Milliseconds by the clock that all processes of a machine share. Each process reads the wall clock once, as
 * `performance.timeOrigin`, so that the times of two processes may differ by milliseconds.
 */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
