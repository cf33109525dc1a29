import { messageOf, newelError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";

/** The default limit of a run's input as JSON, in bytes. */
export const PAYLOAD_LIMIT_BYTES = 1_000_000;

/**
 * Converts a value to JSON and back, so that it is as it will be read. A value that JSON cannot represent is refused,
 * not
 * dropped silently; a value that is too large is refused before all of it has been written.
 *
 * @param what - names the value in errors: `"The input of import-contacts"`
 * @throws NEWEL_E_JOB_PAYLOAD more than `limitBytes`
 * @throws NEWEL_E_JOB_VALUE not JSON: a cycle, a function, a bigint, a getter that throws
 */
export function checkJson(
  value: unknown,
  what: string,
  limitBytes: number = PAYLOAD_LIMIT_BYTES,
): string {
  const budget = { left: limitBytes };
  let text: string | undefined;
  try {
    text = JSON.stringify(value, function weigh(this: unknown, key: string, entry: unknown) {
      return weighed(this, key, entry, budget);
    });
  } catch (error) {
    if (error instanceof TooLarge) throw tooLarge(what, limitBytes);
    const why = error instanceof NotJson ? error.message : firstLine(messageOf(error));
    throw newelError("NEWEL_E_JOB_VALUE", { what, why }, error);
  }
  const json = text ?? "null";
  if (Buffer.byteLength(json) > limitBytes) throw tooLarge(what, limitBytes);
  return json;
}

/** Values that JSON would turn into an empty object. */
const LOSSY: readonly (readonly [abstract new (...args: never[]) => object, string])[] = [
  [Map, "send a list"],
  [Set, "send a list"],
  [Promise, "await it"],
  [Error, "send its message"],
  [RegExp, "send its source"],
  [WeakMap, "send a list"],
  [WeakSet, "send a list"],
  [WeakRef, "send the value that it refers to"],
  [Iterator, "send a list"],
  [URLSearchParams, "send its text"],
  [Headers, "send a list"],
  [FormData, "send a list"],
  [Request, "send its parts"],
  [Response, "send its parts"],
  [ReadableStream, "store it, and send where it is"],
  [AbortSignal, "send its reason"],
  [AbortController, "send nothing for it"],
];

/** Binary data, which JSON would turn into an empty object or one with a property for each byte. */
const BINARY = [ArrayBuffer, SharedArrayBuffer, Blob];

class TooLarge extends Error {}
class NotJson extends Error {}

/** A lower bound of the final size, so that no value is refused that would fit. */
function weighed(holder: unknown, key: string, entry: unknown, budget: { left: number }): unknown {
  if (typeof entry === "function" || typeof entry === "symbol")
    throw new NotJson(`${place(key)} is a ${typeof entry}`);
  if (typeof entry === "bigint")
    throw new NotJson(`${place(key)} is a bigint, which JSON has not: send it as text`);
  if (typeof entry === "number" && !Number.isFinite(entry))
    throw new NotJson(`${place(key)} is ${entry}, which JSON has not`);
  for (const [Class, hint] of LOSSY)
    if (entry instanceof Class) throw new NotJson(`${place(key)} is a ${Class.name}: ${hint}`);
  if (isInvalidDate(holder, key)) throw new NotJson(`${place(key)} is an invalid Date`);
  if (ArrayBuffer.isView(entry) || isBinary(entry) || isBufferJson(holder, key))
    throw new NotJson(`${place(key)} is binary data: store it, and send where it is`);
  budget.left -=
    (Array.isArray(holder) ? 1 : key.length) + (typeof entry === "string" ? entry.length : 1);
  if (budget.left < 0) throw new TooLarge();
  return entry;
}

/** Recognises a Buffer, which `toJSON` has already turned into an object. */
function isBufferJson(holder: unknown, key: string): boolean {
  if (typeof holder !== "object" || holder === null) return false;
  return Buffer.isBuffer((holder as Record<string, unknown>)[key]);
}

/** Recognises an invalid Date, which `toJSON` has already turned into `null`. */
function isInvalidDate(holder: unknown, key: string): boolean {
  if (typeof holder !== "object" || holder === null) return false;
  const value = (holder as Record<string, unknown>)[key];
  return value instanceof Date && Number.isNaN(value.getTime());
}

function isBinary(entry: unknown): boolean {
  return BINARY.some((Class) => entry instanceof Class);
}

function place(key: string): string {
  return key === "" ? "it" : `"${key}"`;
}

function tooLarge(what: string, limitBytes: number): Error {
  return newelError("NEWEL_E_JOB_PAYLOAD", { what, limit: formatSize(limitBytes) });
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
