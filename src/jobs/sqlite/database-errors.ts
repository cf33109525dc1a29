import {
  hasCode,
  isNewelError,
  messageOf,
  type NewelError,
  newelError,
  systemCode,
} from "../../base/errors.ts";

/** SQLite's primary result codes. */
const RESULT = {
  permission: 3,
  busy: 5,
  readOnly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notDatabase: 26,
} as const;

function resultOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number")
    return undefined;
  return error.errcode & 0xff;
}

/** Another process has the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return resultOf(error) === RESULT.busy;
}

/** The file system said itself that it, or what of it one may use, is full. */
export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** The file is no database, or a broken one. */
export function isDamage(error: unknown): boolean {
  const result = resultOf(error);
  return (
    result === RESULT.corrupt ||
    result === RESULT.notDatabase ||
    hasCode(error, "NEWEL_E_JOBS_DAMAGED")
  );
}

/** The store failed, not the call: nothing of the transaction holds. */
export function isOfStore(error: unknown): boolean {
  if (isNewelError(error)) return error.code.startsWith("NEWEL_E_JOBS_");
  const result = resultOf(error);
  return result === undefined
    ? systemCode(error) !== undefined
    : Object.values<number>(RESULT).includes(result);
}

/** Whether the file has to be opened again before anything else is tried. */
export function needsReopening(error: NewelError): boolean {
  return error.code !== "NEWEL_E_JOBS_FULL" && error.code !== "NEWEL_E_JOBS_BUSY";
}

/** The coded error of whatever SQLite or the file system said. */
export function storeError(error: unknown, path: string): NewelError {
  if (isNewelError(error)) return error;
  const why = messageOf(error);
  if (resultOf(error) === RESULT.full || isNoSpace(error))
    return newelError("NEWEL_E_JOBS_FULL", { path }, error);
  if (isDamage(error)) return newelError("NEWEL_E_JOBS_DAMAGED", { path, why, copy: "" }, error);
  if (isOfStore(error)) return newelError("NEWEL_E_JOBS_FILE", { path, why }, error);
  return newelError("NEWEL_E_INTERNAL", { what: why }, error);
}
