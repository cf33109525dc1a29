import type { Finding, Key } from "./problems.ts";

const DEEPEST = 32;
const MOST_VALUES = 100_000;

/** A value as JSON data, and the parts that JSON cannot represent. */
export interface Plain {
  readonly value: unknown;
  readonly findings: readonly Finding[];
}

/**
 * Copies a value that a configuration exports, so that nothing of its code is left in it: texts,
 * numbers, booleans, null, lists and plain objects; `undefined` leaves a key out. Everything else is
 * a finding. Getters and proxies run here, in the child, and may throw.
 */
export function toPlain(exported: unknown): Plain {
  const findings: Finding[] = [];
  const open = new Set<object>();
  let count = 0;
  let isFull = false;
  const refuse = (keys: readonly Key[], says: string): undefined => {
    findings.push({ keys, says });
    return undefined;
  };
  const copy = (value: unknown, keys: readonly Key[]): unknown => {
    if (typeof value === "number" && !Number.isFinite(value))
      return refuse(keys, `is ${value}; write a finite number.`);
    if (isFull) return undefined;
    if (value === null || ["string", "number", "boolean", "undefined"].includes(typeof value))
      return value;
    if (typeof value !== "object") return refuse(keys, oddKind(value));
    count += 1;
    if (open.has(value)) return refuse(keys, "contains itself: newel takes plain data.");
    if (keys.length > DEEPEST || count > MOST_VALUES) {
      isFull = true; // One finding is enough.
      return refuse(keys.slice(0, 4), "is too deep or too large for a configuration.");
    }
    const odd = oddObject(value);
    if (odd !== undefined) return refuse(keys, odd);
    open.add(value);
    const result = Array.isArray(value)
      ? Array.from(value, (item: unknown, index) => copy(item, [...keys, index]) ?? null)
      : copyObject(value, keys);
    open.delete(value);
    return result;
  };
  const copyObject = (value: object, keys: readonly Key[]): unknown => {
    const entries: [string, unknown][] = [];
    for (const key of Reflect.ownKeys(value)) {
      if (typeof key === "symbol") {
        refuse(keys, "has a symbol for a key: newel takes plain data.");
        continue;
      }
      const copied = copy(readKey(value, key, keys, refuse), [...keys, key]);
      if (copied !== undefined) entries.push([key, copied]);
    }
    return Object.fromEntries(entries);
  };
  try {
    return { value: copy(exported, []), findings };
  } catch {
    // A proxy's trap threw: its message is the configuration's own and may hold anything.
    return {
      value: undefined,
      findings: [
        ...findings,
        { keys: [], says: "cannot be read: a proxy or getter in it throws." },
      ],
    };
  }
}

function readKey(
  value: object,
  key: string,
  keys: readonly Key[],
  refuse: (keys: readonly Key[], says: string) => undefined,
): unknown {
  try {
    const read: unknown = Reflect.get(value, key);
    return read;
  } catch {
    return refuse([...keys, key], "cannot be read: its getter throws.");
  }
}

function oddKind(value: unknown): string {
  if (typeof value === "function")
    return "is a function; newel takes plain data: call it, or write its result.";
  return typeof value === "bigint"
    ? "is a bigint; write a number."
    : "is a symbol; newel takes plain data.";
}

function oddObject(value: object): string | undefined {
  if (Array.isArray(value)) return undefined;
  if (typeof Reflect.get(value, "then") === "function")
    return "is a promise; await it: top-level await works in this file.";
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of JSON.parse in another realm (node:vm) have that realm's prototype, which has no parent.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return undefined;
  const name: unknown = Reflect.get(value.constructor ?? {}, "name");
  return `is ${typeof name === "string" && /^\w+$/.test(name) ? `a ${name}` : "no plain object"}; newel takes plain data: texts, numbers, lists and objects.`;
}
