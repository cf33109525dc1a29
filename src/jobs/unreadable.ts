import { newelError } from "../base/errors.ts";
import type { RunError } from "./api.ts";
import { formatFailure, parseFailure } from "./failure.ts";

const CODE = "NEWEL_E_JOB_UNREADABLE";

/** The coded error of a stored job with fields that cannot be parsed. */
export function unreadable(job: string, fields: string): Error {
  return newelError(CODE, { job, fields });
}

/** The same as one string. BullMQ's worker fails a job with it, in place of an execution, as its `deferredFailure`. */
export function unreadableFailure(job: string, fields: readonly string[]): string {
  return formatFailure(unreadable(job, fields.join(", ")));
}

/** The error of a job that was read as unreadable; `undefined` for another job. */
export function unreadableError(deferredFailure: unknown): RunError | undefined {
  if (typeof deferredFailure !== "string") return undefined;
  const error = parseFailure(deferredFailure);
  return error.code === CODE ? error : undefined;
}
