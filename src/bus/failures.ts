import { ERROR_CODES } from "../base/error-codes.ts";
import { newelError } from "../base/errors.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { messageText } from "./log.ts";

/** One listener that failed. */
export interface ListenerFailure {
  /** The channel that was published. */
  readonly channel: string;
  /** The name of the listener. */
  readonly listener: string;
  /** The priority of the listener, 0 to 100. */
  readonly priority: number;
  /** The thrown value: of any type, as JavaScript allows. */
  readonly error: unknown;
  /** Its duration, in milliseconds; missing for a synchronous publish, which measures no time. */
  readonly durationMs?: number;
}

/**
 * Thrown by `publish` and `publishAsync` after every listener has run, when at least one failed.
 * `errors` are the errors in run order, `failures` adds the listener of each error, `results` are
 * the return values of the others. Its code is NEWEL_E_BUS_LISTENERS.
 */
export class ChannelFailures extends AggregateError {
  /** The name of the class, in a bundle too. */
  override readonly name = "ChannelFailures";
  /** The code of this error in docs/errors.md. */
  readonly code = "NEWEL_E_BUS_LISTENERS";
  /** The advice of the code table: how to correct it. */
  readonly fix: string = ERROR_CODES.NEWEL_E_BUS_LISTENERS.fix;
  /** The channel that was published. */
  readonly channel: string;
  /** The failed listeners, in the order in which they ran. */
  readonly failures: readonly ListenerFailure[];
  /** The return values of the other listeners, in the order in which they ran. */
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
      first: first === undefined ? "" : `${first.listener}: ${messageText(first.error)}`,
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
 * Thrown by a listener to end the process: later listeners of the same publish do not run (those of
 * `stop`, `exit` and the states do), and it is never wrapped in another error. From a lifecycle
 * channel, a state's channel, `main` or a signal's channel it makes the bus exit with its code.
 */
export class ExitRequest extends Error {
  /** The name of the class, in a bundle too. */
  override readonly name = "ExitRequest";
  /** The requested exit code, 0 to 255; with `undefined` the bus chooses the code. */
  readonly exitCode: number | undefined;

  constructor(exitCode?: number) {
    super(exitCode === undefined ? "exit" : `exit with code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/**
 * Whether a thrown value requests the exit. Any value can be thrown, even one whose properties
 * throw.
 */
export function isExitRequest(error: unknown): error is ExitRequest {
  try {
    return error instanceof ExitRequest;
  } catch {
    // A revoked proxy: it counts as an ordinary error.
    return false;
  }
}

/** Selects the effective one of two requests of one publish: a 0 does not hide a later failure. */
export function laterRequest(first: ExitRequest | undefined, later: ExitRequest): ExitRequest {
  return first === undefined || (first.exitCode ?? EXIT_CODES.ok) === EXIT_CODES.ok ? later : first;
}

/** Returns the request, with another code if its own would hide earlier failures of listeners. */
export function honestRequest(request: ExitRequest, failedBefore: boolean): ExitRequest {
  return failedBefore && (request.exitCode ?? 0) === 0
    ? new ExitRequest(EXIT_CODES.afterFailure)
    : request;
}
