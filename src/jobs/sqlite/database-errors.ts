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

/** Result codes of the caller's mistakes: a value that is too large, of the wrong type, or out of range. */
const CALLERS: readonly number[] = [18, 20, 25];

/** The result code of a wrong statement; the file itself is not at fault. */
const SQL_ERROR = 1;

function resultOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number")
    return undefined;
  return error.errcode & 0xff;
}

/** Another process holds the requested lock. */
export function isBusy(error: unknown): boolean {
  return resultOf(error) === RESULT.busy;
}

/** SQLite's extended result code of a value of another type than the column, here a sum of more than 64 bits. */
const WRONG_TYPE = 3_091;

/** A stored integer is larger than JavaScript counts, or a sum with it is larger than SQLite's integers. */
export function isDamagedNumber(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error) return error.errcode === WRONG_TYPE;
  return (
    systemCode(error) === "ERR_OUT_OF_RANGE" && /too large to be represented/.test(error.message)
  );
}

/** The file system reports that it is full or that a quota is used up. */
export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** A write, a sync or a read by SQLite failed, or a system call of newel on its files. */
export function isDiskError(error: unknown): boolean {
  const result = resultOf(error);
  return result === undefined
    ? ["EIO", "EROFS", "ENXIO", "ENODEV"].includes(systemCode(error) ?? "")
    : result === RESULT.io;
}

/** A statement does not fit the tables: a table or a column is missing. */
export function isBadStatement(error: unknown): boolean {
  return resultOf(error) === SQL_ERROR;
}

/** The file, or its directory, may not be written. */
export function isUnwritable(error: unknown): boolean {
  if (isNewelError(error)) return error.cause !== undefined && isUnwritable(error.cause);
  const result = resultOf(error);
  if (result === undefined) return ["EROFS", "EACCES", "EPERM"].includes(systemCode(error) ?? "");
  return result === RESULT.readOnly || result === RESULT.cannotOpen || result === RESULT.permission;
}

/** The file is not a database, or is damaged. */
export function isDamage(error: unknown): boolean {
  const result = resultOf(error);
  return (
    result === RESULT.corrupt ||
    result === RESULT.notDatabase ||
    hasCode(error, "NEWEL_E_JOBS_DAMAGED")
  );
}

/** The store failed, not the call: the whole transaction was rolled back. */
export function isOfStore(error: unknown): boolean {
  if (isNewelError(error)) return error.code.startsWith("NEWEL_E_JOBS_");
  const result = resultOf(error);
  // Errors of Node.js itself (`ERR_INVALID_ARG_TYPE`) have a code too, but are about the call.
  if (result !== undefined) return Object.values<number>(RESULT).includes(result);
  const code = systemCode(error);
  return code !== undefined && !code.startsWith("ERR_");
}

/** SQLite or its binding refused a value that a caller passed. */
function isOfCaller(error: unknown): boolean {
  const code = systemCode(error);
  return (
    code === "ERR_INVALID_ARG_TYPE" ||
    code === "ERR_INVALID_ARG_VALUE" ||
    CALLERS.includes(resultOf(error) ?? -1)
  );
}

/** Whether the file has to be opened again before the next operation. */
export function needsReopening(error: NewelError): boolean {
  const others: readonly string[] = [
    "NEWEL_E_JOBS_FULL",
    "NEWEL_E_JOBS_BUSY",
    "NEWEL_E_JOBS_BACKUP",
  ];
  return !others.includes(error.code);
}

/** The coded error for an error of SQLite or of the file system. */
export function storeError(error: unknown, path: string): NewelError {
  if (isNewelError(error)) return error;
  const why = messageOf(error);
  if (resultOf(error) === RESULT.full || isNoSpace(error))
    return newelError("NEWEL_E_JOBS_FULL", { path }, error);
  if (isDamage(error)) return newelError("NEWEL_E_JOBS_DAMAGED", { path, why, copy: "" }, error);
  if (isOfStore(error)) return newelError("NEWEL_E_JOBS_FILE", { path, why }, error);
  if (isOfCaller(error))
    return newelError("NEWEL_E_STORE_ARGUMENT", { what: "An argument of the call", why }, error);
  return newelError("NEWEL_E_INTERNAL", { what: why }, error);
}
