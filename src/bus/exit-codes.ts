/**
 * The codes a process on a bus ends with. A code that the program chose itself (`bus.exit(3)`,
 * `throw new ExitRequest(3)`) stands above the table, except that a 0 never hides a failure.
 */
export const EXIT_CODES = {
  /** Asked to end, and every listener did its work: also after SIGTERM, SIGINT and SIGHUP. */
  ok: 0,
  /** An exit request without a code, or with 0, came after another listener had failed. */
  afterFailure: 1,
  /** A start, stop or exit listener failed or took too long, or the exit was asked for during the start (EX_SOFTWARE). */
  listenerFailed: 70,
  /** The deadline for the whole shutdown passed (as timeout(1) ends). */
  deadline: 124,
  /** A third signal forced the end: this plus the number of the signal. */
  forcedBySignal: 128,
} as const;
