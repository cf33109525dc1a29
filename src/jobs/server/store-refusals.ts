import { ErrorCode } from "bullmq";

import { hasCode, messageOf, systemCode } from "../../base/errors.ts";

/** The errors of BullMQ which mean that a token does not have the job, or not any more. */
const NOT_MINE: readonly unknown[] = [
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobNotInState,
  ErrorCode.JobLockMismatch,
];

/** Whether an error means that another token has the job, or none. */
export function isTakenByOther(error: unknown): boolean {
  return error instanceof Error && "code" in error && NOT_MINE.includes(error.code);
}

const FILE_CODES = [
  "NEWEL_E_JOBS_FILE",
  "NEWEL_E_JOBS_FULL",
  "NEWEL_E_JOBS_GONE",
  "NEWEL_E_JOBS_BUSY",
] as const;
/** Prefixes of Redis's answers, and of PostgreSQL's codes, after which a later call may succeed. */
const REDIS_PASSING = /^(OOM|READONLY|LOADING|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY) /;
const POSTGRES_PASSING = /^(53|40|57)...$|^25006$/;

/** Whether a store may take the same call later. BullMQ itself tries again when the connection is lost. */
export function isPassing(error: unknown): boolean {
  if (FILE_CODES.some((code) => hasCode(error, code))) return true;
  return REDIS_PASSING.test(messageOf(error)) || POSTGRES_PASSING.test(systemCode(error) ?? "");
}
