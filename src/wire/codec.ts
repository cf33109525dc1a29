import { frameError, readU32 } from "./frames.ts";
import {
  decodeTagged,
  encodeTagged,
  type CodecLimits,
  type Encoded,
  type References,
} from "./tagged.ts";
import { READ_BYTES } from "./transport.ts";

/**
 * How values become bodies. What JSON can say exactly is sent as JSON and nothing else; a value with
 * anything more in it (undefined, NaN, bigint, Date, Map, Set, errors, binary data, functions) as
 * tagged JSON, its binary parts beside it in the frame, not copied into the text:
 *
 *     u32 parts | u32 JSON bytes | u32 bytes of each part | JSON | parts
 *
 * Nothing here runs code of the peer's choosing, and no key `__proto__` ever comes out.
 */

/**
 * Writes a value.
 *
 * @throws NEWEL_E_LIMIT when it is nested too deep (also when it contains itself) or has too many parts
 * @throws NEWEL_E_NOT_SENDABLE when it has a symbol in it, or a function and there are no references
 */
export function encode(value: unknown, limits: CodecLimits, references?: References): Encoded {
  if (value === undefined) return "";
  if (isPlain(value, limits.maxDepth)) return JSON.stringify(value);
  return encodeTagged(value, limits, references);
}

/** Writes the arguments of a call; those left undefined at the end are left out. */
export function encodeArguments(
  args: readonly unknown[],
  limits: CodecLimits,
  references?: References,
): Encoded {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  if (count === 0) return "";
  return encode(count === args.length ? args : args.slice(0, count), limits, references);
}

/**
 * Reads a body.
 *
 * @throws NEWEL_E_FRAME when it is not one: the connection is of no use any more
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
  // A text of n bytes nests at most n/2 deep; a short and innocent one need not be walked.
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

/** Whether JSON says this value exactly. */
export function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return value === 0 ? 1 / value > 0 : Number.isFinite(value);
    case "object":
      if (value === null) return true;
      // Too deep: the tagged way says so in words.
      if (depth === 0) return false;
      return Array.isArray(value) ? isPlainList(value, depth) : isPlainRecord(value, depth);
    case "undefined":
    case "bigint":
    case "function":
    case "symbol":
      return false;
  }
}

function isPlainList(list: readonly unknown[], depth: number): boolean {
  for (let index = 0; index < list.length; index += 1)
    if (!isPlain(list[index], depth - 1)) return false;
  return true;
}

function isPlainRecord(record: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in record)
    if (!isPlain((record as Record<string, unknown>)[key], depth - 1)) return false;
  return true;
}

const SHORTEST_WITH_PROTO = '{"__proto__":0}'.length;

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw frameError("a body that is no JSON", error);
  }
}

/** `__proto__` as it stands, or with one of its characters written as an escape. */
function mayHideProto(text: string): boolean {
  if (text.length < SHORTEST_WITH_PROTO) return false;
  return text.includes("__proto__") || text.includes("\\u00");
}

/** Removes each own `__proto__`, which code that merges objects would mistake for the real one. */
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
    parts.push(ownBytes(buffer, at, at + bytes));
    at += bytes;
  }
  if (at !== end) throw frameError("a tagged body longer than its parts");
  return decodeTagged(
    parse(buffer.toString("utf8", json, json + jsonBytes)),
    parts,
    limits,
    references,
  );
}

/**
 * A part as a Buffer of its own: one this large lies in a frame that was copied together, and can
 * stay there unless it would keep much more memory alive than it has; a smaller one may lie in
 * memory that the next read uses again.
 */
function ownBytes(buffer: Buffer, start: number, end: number): Buffer {
  const part = buffer.subarray(start, end);
  const stays = part.length > READ_BYTES && part.length * 2 > buffer.buffer.byteLength;
  return stays ? part : Buffer.from(part);
}
