import { hasMoreThanElements } from "../base/values.ts";
import { frameError, readU32 } from "./frames.ts";
import { decodeTagged } from "./tagged-reader.ts";
import { encodeTagged } from "./tagged-writer.ts";
import type { CodecLimits, Encoded, References } from "./tagged.ts";

/**
 * The encoding of values as frame bodies. A value that JSON represents exactly is sent as JSON; a
 * value that contains anything else (undefined, NaN, bigint, Date, Map, Set, errors, binary data,
 * functions) is sent as tagged JSON. Its binary parts follow in the frame and are not copied into
 * the text:
 *
 *     u32 parts | u32 JSON bytes | u32 bytes of each part | JSON | parts
 *
 * Decoding never runs code that the peer chooses, and never produces a key `__proto__`.
 */

/**
 * Writes a value.
 *
 * @throws NEWEL_E_LIMIT when it is nested too deep or has too many parts
 * @throws NEWEL_E_NOT_SENDABLE with the path of a part that cannot be sent
 */
export function encode(value: unknown, limits: CodecLimits, references?: References): Encoded {
  if (value === undefined) return "";
  return plainText(value, limits.maxDepth) ?? encodeTagged(value, { limits, references });
}

/**
 * Writes the arguments of a call: a list that was made by a rest parameter, and so has elements
 * only. Trailing undefined arguments are left out.
 */
export function encodeArguments(
  args: readonly unknown[],
  limits: CodecLimits,
  references?: References,
): Encoded {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  if (count === 0) return "";
  const list = count === args.length ? args : args.slice(0, count);
  return (
    plainText(list, limits.maxDepth, arePlainParts) ?? encodeTagged(list, { limits, references })
  );
}

/** The JSON text of a value that JSON represents exactly; `undefined` for every other value. */
export function plainText(
  value: unknown,
  maxDepth: number,
  check: typeof isPlainPart = isPlainPart,
): string | undefined {
  try {
    return isPlain(value, maxDepth, check) ? JSON.stringify(value) : undefined;
  } catch {
    // A getter or Proxy failed, or the text is too long: the tagged encoding reports which part
    // failed.
    return undefined;
  }
}

/**
 * Reads a body.
 *
 * @throws NEWEL_E_FRAME when the bytes are no valid body: the connection cannot be used any more
 */
export function decode(
  buffer: Buffer,
  start: number,
  end: number,
  isTagged: boolean,
  limits: CodecLimits,
  references?: References,
): unknown {
  if (isTagged) return readTagged(buffer, start, end, limits, references);
  if (start === end) return undefined;
  const text = buffer.toString("utf8", start, end);
  const value = parse(text);
  // A text of n bytes nests at most n/2 levels deep; a short text without suspicious keys need not
  // be walked.
  if (text.length > 2 * limits.maxDepth || mayHideProto(text)) clean(value, limits.maxDepth);
  return value;
}

/** Reads the arguments of a call. */
export function decodeArguments(
  buffer: Buffer,
  start: number,
  end: number,
  isTagged: boolean,
  limits: CodecLimits,
  references?: References,
): unknown[] {
  if (start === end) return [];
  const args = decode(buffer, start, end, isTagged, limits, references);
  if (!Array.isArray(args)) throw frameError("arguments that are no list");
  return args as unknown[];
}

/**
 * Repeated objects are searched for only above this number of objects: JSON would repeat them each
 * time.
 */
const MANY_OBJECTS = 20_000;

/**
 * The state of one walk: an object count, until the walk is repeated with `seen`, the set of
 * objects so far.
 */
let objectsLeft = 0;
let seen: Set<object> | undefined;

/** Whether JSON represents this value exactly. */
export function isPlain(
  value: unknown,
  depth: number,
  check: typeof isPlainPart = isPlainPart,
): boolean {
  if (typeof value !== "object" || value === null) return check(value, depth);
  const outerLeft = objectsLeft;
  const outerSeen = seen;
  try {
    objectsLeft = MANY_OBJECTS;
    seen = undefined;
    if (check(value, depth)) return true;
    if (objectsLeft >= 0) return false;
    objectsLeft = Number.POSITIVE_INFINITY;
    seen = new Set();
    return check(value, depth);
  } finally {
    // A getter may have called `encode` itself.
    objectsLeft = outerLeft;
    seen = outerSeen;
  }
}

function isPlainPart(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return value === 0 ? 1 / value > 0 : Number.isFinite(value);
    case "object":
      return value === null || isPlainObject(value, depth);
    case "undefined":
    case "bigint":
    case "function":
    case "symbol":
      return false;
  }
}

function isPlainObject(value: object, depth: number): boolean {
  // Too deep: the tagged encoding reports the error.
  if (depth === 0) return false;
  objectsLeft -= 1;
  if (objectsLeft < 0) return false;
  if (seen !== undefined) {
    if (seen.has(value)) return false;
    seen.add(value);
  }
  return Array.isArray(value) ? isPlainList(value, depth) : isPlainRecord(value, depth);
}

function isPlainList(list: readonly unknown[], depth: number): boolean {
  return arePlainParts(list, depth) && !hasMoreThanElements(list);
}

function arePlainParts(list: unknown, depth: number): boolean {
  if (!Array.isArray(list)) return false;
  for (let index = 0; index < list.length; index += 1)
    if (!isPlainPart(list[index], depth - 1)) return false;
  return true;
}

function isPlainRecord(record: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in record) {
    if (key === "__proto__") return false;
    if (!isPlainPart((record as Record<string, unknown>)[key], depth - 1)) return false;
  }
  // JSON.stringify would call a `toJSON` that is not enumerable, too.
  return typeof (record as { readonly toJSON?: unknown }).toJSON !== "function";
}

const SHORTEST_WITH_PROTO = '{"__proto__":0}'.length;

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw frameError("a body that is no JSON", error);
  }
}

/** `__proto__` literally, or with one of its characters written as an escape. */
function mayHideProto(text: string): boolean {
  if (text.length < SHORTEST_WITH_PROTO) return false;
  return text.includes("__proto__") || text.includes("\\u00");
}

/** Removes each own `__proto__`, because code that merges objects could use it as a prototype. */
function clean(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth === 0) throw tooDeep();
  if (Array.isArray(value)) {
    for (const entry of value) clean(entry, depth - 1);
    return;
  }
  if (Object.hasOwn(value, "__proto__")) Reflect.deleteProperty(value, "__proto__");
  for (const key in value) clean((value as Record<string, unknown>)[key], depth - 1);
}

function tooDeep(): Error {
  return frameError("a value that is nested too deep");
}

function readTagged(
  buffer: Buffer,
  start: number,
  end: number,
  limits: CodecLimits,
  references: References | undefined,
): unknown {
  if (end - start < 8) throw frameError("a tagged body without its lengths");
  const count = readU32(buffer, start);
  const jsonBytes = readU32(buffer, start + 4);
  if (count > limits.maxParts)
    throw frameError(`${count} binary parts, where ${limits.maxParts} are allowed`);
  const json = start + 8 + 4 * count;
  let at = json + jsonBytes;
  if (at > end) throw frameError("a tagged body shorter than its text");
  const parts: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const bytes = readU32(buffer, start + 8 + 4 * index);
    if (bytes > end - at) throw frameError("a tagged body shorter than its parts");
    parts.push(buffer.subarray(at, at + bytes));
    at += bytes;
  }
  if (at !== end) throw frameError("a tagged body longer than its parts");
  const text = buffer.toString("utf8", json, json + jsonBytes);
  return decodeTagged(parse(text), { limits, parts, references });
}
