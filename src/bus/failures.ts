import { ERROR_CODES } from "../base/error-codes.ts";
import { messageOf, newelError } from "../base/errors.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** One listener that failed. */
export interface ListenerFailure {
  readonly channel: string;
  readonly listener: string;
  readonly priority: number;
  readonly error: unknown;
  /** How long it had run, in milliseconds; missing for a synchronous publish, which keeps no clock. */
  readonly durationMs?: number;
}

/**
 * Thrown by `publish` and `publishAsync` after every listener has run, when at least one failed.
 * `errors` are the errors in run order, `failures` says which listener each is of, `results` are
 * what the others returned. Its code is NEWEL_E_BUS_LISTENERS.
 */
export class ChannelFailures extends AggregateError {
  override readonly name = "ChannelFailures";
  readonly code = "NEWEL_E_BUS_LISTENERS";
  readonly fix: string = ERROR_CODES.NEWEL_E_BUS_LISTENERS.fix;
  readonly channel: string;
  readonly failures: readonly ListenerFailure[];
  readonly results: readonly unknown[];

  constructor(
    channel: string,
    failures: readonly ListenerFailure[],
    results: readonly unknown[] = [],
  ) {
    const first = failures[0];
    const { message } = newelError("NEWEL_E_BUS_LISTENERS", {
      count: failures.length,
      channel,
      first: first === undefined ? "" : `${first.listener}: ${messageOf(first.error)}`,
    });
    super(
      failures.map((failure) => failure.error),
      message,
    );
    this.channel = channel;
    this.failures = failures;
    this.results = results;
  }
}

/**
 * Thrown by a listener that wants the process to end: later listeners of the same publish do not
 * run, and nothing wraps it. Thrown on `main` or while starting, the bus exits with its code.
 */
export class ExitRequest extends Error {
  override readonly name = "ExitRequest";
  /** The exit code asked for; `undefined` leaves it to the bus. */
  readonly exitCode: number | undefined;

  constructor(exitCode?: number) {
    super(exitCode === undefined ? "exit" : `exit with code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** The request with a code that does not hide that other listeners had failed before it. */
export function honestRequest(request: ExitRequest, failedBefore: boolean): ExitRequest {
  return failedBefore && (request.exitCode ?? 0) === 0
    ? new ExitRequest(EXIT_CODES.afterFailure)
    : request;
}
