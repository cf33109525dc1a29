import { newelError } from "../base/errors.ts";
import { encode } from "../wire/codec.ts";
import { DEFAULT_LIMITS } from "../wire/limits.ts";

/**
 * Returns a value as JSON if JSON represents it exactly.
 *
 * @param id - the singleton of the value, for errors
 * @throws NEWEL_E_SINGLETON_STATE when JSON would change the value
 */
export function jsonOf(value: unknown, id: string): string {
  const body = value === undefined ? "null" : encode(value, DEFAULT_LIMITS);
  if (typeof body === "string") return body;
  const why = "it has something that JSON has not (undefined, a Date, a Map, bytes, NaN)";
  throw newelError("NEWEL_E_SINGLETON_STATE", { name: id, why });
}
