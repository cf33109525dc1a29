/** Milliseconds by the clock that all processes share; as test/helpers/shared-clock.ts, for programs that load no TypeScript. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}
