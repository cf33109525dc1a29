import type { ErrorCode } from "../base/error-codes.ts";
import { isNewelError } from "../base/errors.ts";

/** The exit codes of `newel`. docs/reference/cli.md lists the same table. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  noSuchName: 4,
  unreachable: 5,
  configInvalid: 6,
  timeout: 124,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Each exit code in a few words, as the help and the docs have it. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "done",
  failed: "the operation failed: not ready in time, a reload was stopped, …",
  usage: "the command line was not understood",
  notRunning: "not running, not ready, or no supervisor runs (`ps NAME`, `why`)",
  noSuchName: "no service, process, singleton, queue or run has that name",
  unreachable: "kernel, supervisor or jobs could not be reached",
  configInvalid: "the configuration is missing or wrong; nothing was changed",
  timeout: "--timeout passed before the end",
};

/** The codes that do not simply mean that the operation failed. */
const OF_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  NEWEL_E_USAGE: EXIT.usage,
  NEWEL_E_DURATION: EXIT.usage,
  NEWEL_E_AMBIGUOUS: EXIT.usage,
  NEWEL_E_BUS_SIGNAL: EXIT.usage,
  NEWEL_E_DASH_PUBLIC: EXIT.usage,
  NEWEL_E_NOT_UP: EXIT.notRunning,
  NEWEL_E_NO_REPLICAS: EXIT.notRunning,
  NEWEL_E_NO_SERVICE: EXIT.noSuchName,
  NEWEL_E_NO_SINGLETON: EXIT.noSuchName,
  NEWEL_E_NOT_FOUND: EXIT.noSuchName,
  NEWEL_E_JOB_NO_RUN: EXIT.noSuchName,
  NEWEL_E_JOBS_NO_QUEUE: EXIT.noSuchName,
  NEWEL_E_JOB_OPTION: EXIT.usage,
  NEWEL_E_JOBS_STORE: EXIT.usage,
  NEWEL_E_JOBS_CONNECTION: EXIT.usage,
  NEWEL_E_JOBS_NO_STORE: EXIT.unreachable,
  NEWEL_E_JOBS_UNREACHABLE: EXIT.unreachable,
  NEWEL_E_JOBS_FILE: EXIT.unreachable,
  NEWEL_E_KERNEL_UNREACHABLE: EXIT.unreachable,
  NEWEL_E_KERNEL_HANGS: EXIT.unreachable,
  NEWEL_E_SUPERVISOR_HANGS: EXIT.unreachable,
  NEWEL_E_SUPERVISOR_UNREACHABLE: EXIT.unreachable,
  NEWEL_E_CONNECTION_LOST: EXIT.unreachable,
  NEWEL_E_VERSION_SKEW: EXIT.unreachable,
  NEWEL_E_REFUSED_UID: EXIT.unreachable,
  NEWEL_E_HOME_PATH: EXIT.unreachable,
  NEWEL_E_HOME_ACCESS: EXIT.unreachable,
  NEWEL_E_OPEN_FILES: EXIT.unreachable,
  NEWEL_E_RUNTIME_COPY: EXIT.unreachable,
  NEWEL_E_RUNTIME_NOEXEC: EXIT.unreachable,
  NEWEL_E_DEPLOY_SSH: EXIT.unreachable,
  NEWEL_E_CONFIG: EXIT.configInvalid,
  NEWEL_E_CONFIG_MISSING: EXIT.configInvalid,
  NEWEL_E_CONFIG_STORED: EXIT.configInvalid,
  NEWEL_E_DEADLINE: EXIT.unreachable,
};

/** The exit code of a code of the error table, which may have come over a socket. */
export function exitCodeOfCode(code: string): ExitCode {
  const known: Readonly<Record<string, ExitCode | undefined>> = OF_ERROR;
  return (Object.hasOwn(known, code) ? known[code] : undefined) ?? EXIT.failed;
}

export function exitCodeOf(error: unknown): ExitCode {
  return isNewelError(error) ? exitCodeOfCode(error.code) : EXIT.failed;
}
