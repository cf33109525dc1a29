/**
 * Milliseconds by the clock that all processes of a machine share. Each process has an idea of its own of
 * when 1970 was, and two that were started apart may differ by milliseconds.
 */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
