/**
 * The exit codes of a process on a bus. A code that the program chose itself (`bus.exit(3)`, `throw
 * new ExitRequest(3)`) takes precedence over the table, except that a 0 never hides a failure.
 */
export const EXIT_CODES = {
  /** An exit was requested, and every listener succeeded: also after SIGTERM, SIGINT and SIGHUP. */
  ok: 0,
  /** An exit request without a code, or with 0, came after another listener had failed. */
  afterFailure: 1,
  /**
   * A start, stop or exit listener failed or exceeded its time limit, or the exit was requested
   * during the start (EX_SOFTWARE).
   */
  listenerFailed: 70,
  /** The deadline for the whole shutdown passed (as timeout(1) ends). */
  deadline: 124,
  /** A third signal forced the end: this value plus the number of the signal. */
  forcedBySignal: 128,
} as const;
