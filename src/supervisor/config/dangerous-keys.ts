import { isRecord } from "./leaves.ts";
import type { Finding, Key } from "./problems.ts";

/** Keys of JSON with another meaning in JavaScript; no setting has such a name. */
export function dangerousKeys(value: unknown, keys: readonly Key[]): readonly Finding[] {
  if (Array.isArray(value))
    return value.flatMap((item: unknown, index) => dangerousKeys(item, [...keys, index]));
  if (!isRecord(value)) return [];
  return Object.keys(value).flatMap((key) =>
    ["__proto__", "constructor", "prototype"].includes(key)
      ? [{ keys: [...keys, key], says: "is not a usable key." }]
      : dangerousKeys(value[key], [...keys, key]),
  );
}
