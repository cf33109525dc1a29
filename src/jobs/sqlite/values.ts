import { newelError } from "../../base/errors.ts";

/**
 * Reads the values that callers pass to the store once, where they enter: ids, names and keys become strings, times and
 * counts whole numbers, the rest JSON. A value that cannot be stored is refused here, so that it never reaches the
 * transaction it would share with other calls.
 */

/** The largest time and count that is kept; JavaScript counts exactly up to here. */
const LARGEST: number = Number.MAX_SAFE_INTEGER;

/** An id, a name or a key; a number is its decimal text, as in Redis. @throws NEWEL_E_STORE_ARGUMENT */
export function keyText(value: unknown, what: string): string {
  const text = freeText(value, what);
  if (!text.isWellFormed())
    throw refused(what, "it has half of a surrogate pair, which no UTF-8 text can hold");
  return text;
}

/** A string that is only shown, such as a log line or a reason. @throws NEWEL_E_STORE_ARGUMENT */
export function freeText(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  if (typeof value === "function" || typeof value === "symbol")
    throw refused(what, `it is a ${typeof value}`);
  try {
    // oxlint-disable-next-line typescript/no-base-to-string -- an Error is its message, as in Redis; an object of no text is the caller's
    return String(value);
  } catch {
    throw refused(what, "it cannot be made a text");
  }
}

/** The same, or `null` for a missing value. */
export function optionalKey(value: unknown, what: string): string | null {
  return value === undefined || value === null ? null : keyText(value, what);
}

/** Reads a point in time, a count or a priority, rounded down. @throws NEWEL_E_STORE_ARGUMENT */
export function whole(value: unknown, what: string): number {
  return bounded(Math.floor(numberOf(value, what)));
}

/** A span of time in milliseconds: fractions count as a whole one, so that nothing happens early. @throws NEWEL_E_STORE_ARGUMENT */
export function wholeSpan(value: unknown, what: string): number {
  return bounded(Math.ceil(numberOf(value, what)));
}

function numberOf(value: unknown, what: string): number {
  const number =
    typeof value === "number" || typeof value === "bigint" || typeof value === "string"
      ? Number(value)
      : value instanceof Date
        ? value.getTime()
        : Number.NaN;
  if (Number.isNaN(number)) throw refused(what, "it is no number");
  return number;
}

function bounded(number: number): number {
  // Adding 0 turns -0 into 0.
  return Math.min(LARGEST, Math.max(-LARGEST, number)) + 0;
}

/** A span that is added to the time of a call: the sum stays a number that JavaScript counts exactly. @throws NEWEL_E_STORE_ARGUMENT */
export function duration(value: unknown, what: string): number {
  return Math.min(LONGEST, wholeSpan(value, what));
}

/** About 200,000 years, in milliseconds. */
const LONGEST = 2 ** 52;

/** A number for a call that has to succeed, the end of a job: instead of a value that is none, another number. */
export function numberOr(value: unknown, otherwise: number): number {
  const number = Number(value ?? otherwise);
  return bounded(Number.isNaN(number) ? otherwise : number);
}

/** Returns the JSON of a value; `undefined` for a value without JSON. @throws NEWEL_E_STORE_ARGUMENT */
export function jsonOf(value: unknown, what: string): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw refused(what, error instanceof Error ? (error.message.split("\n")[0] ?? "") : "", error);
  }
}

/**
 * JSON of options. JSON would turn a number that is not finite into `null`, so that `attempts: Infinity` would be one
 * attempt: such a number is refused, as on Redis.
 *
 * @throws NEWEL_E_STORE_ARGUMENT
 */
export function optionsJson(options: unknown, what: string): string {
  const json = jsonOf(options, what) ?? "{}";
  if (!json.includes("null")) return json;
  JSON.stringify(options, (name, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value))
      throw refused(`${what} "${name}"`, `it is ${value}`);
    return value;
  });
  return json;
}

function refused(what: string, why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_STORE_ARGUMENT", { what, why }, cause);
}
