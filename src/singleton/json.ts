import { newelError } from "../base/errors.ts";
import { encode } from "../wire/codec.ts";
import { DEFAULT_LIMITS } from "../wire/limits.ts";

/**
 * A value as JSON that says it exactly.
 *
 * @param id - of the singleton whose value it is
 * @throws NEWEL_E_SINGLETON_STATE when JSON would make something else of it
 */
export function jsonOf(value: unknown, id: string): string {
  const body = value === undefined ? "null" : encode(value, DEFAULT_LIMITS);
  if (typeof body === "string") return body;
  const why = "it has something that JSON has not (undefined, a Date, a Map, bytes, NaN)";
  throw newelError("NEWEL_E_SINGLETON_STATE", { name: id, why });
}
