import { newelError } from "../base/errors.ts";
import { frameError } from "./frames.ts";
import { describeError, rebuildError } from "./remote-errors.ts";

/**
 * Tagged JSON: a value that JSON lacks stands as `{"$": tag, "v": …}`, and so does an object that has
 * a key `$` of its own. Objects of classes cross as their own enumerable properties, or as what their
 * `toJSON` gives; they come out as plain objects.
 */

/** A body that is ready to be written: plain JSON, or tagged JSON with its parts. */
export type Encoded = string | { readonly json: string; readonly parts: readonly Buffer[] };

export interface CodecLimits {
  readonly maxDepth: number;
  readonly maxParts: number;
}

/** Functions that cross by reference; references.ts implements it for a session. */
export interface References {
  /** The number under which the peer may call this function from now on. */
  hold(callback: (...args: never[]) => unknown): number;
  /** A function that calls the peer's. */
  receive(id: number): (...args: unknown[]) => unknown;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The array types that cross as themselves; a Buffer or Uint8Array comes out as a Buffer. */
const ARRAY_TYPES = {
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

const UNSENDABLE = [Promise, RegExp, WeakMap, WeakSet, WeakRef] as const;

/** A bigint takes quadratic time to read: longer ones are refused. */
const MAX_BIGINT_DIGITS = 10_000;

interface Writer {
  readonly parts: Buffer[];
  readonly limits: CodecLimits;
  readonly references: References | undefined;
}

interface Reader {
  readonly parts: readonly Buffer[];
  readonly limits: CodecLimits;
  readonly references: References | undefined;
}

export function encodeTagged(
  value: unknown,
  limits: CodecLimits,
  references: References | undefined,
): { readonly json: string; readonly parts: readonly Buffer[] } {
  const writer: Writer = { parts: [], limits, references };
  return { json: JSON.stringify(write(value, limits.maxDepth, writer)), parts: writer.parts };
}

function write(value: unknown, depth: number, writer: Writer): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tag("number", Object.is(value, -0) ? "-0" : String(value));
    case "undefined":
      return { $: "undefined" };
    case "bigint":
      return tag("bigint", String(value));
    case "function":
      return writeFunction(value as (...args: never[]) => unknown, writer);
    case "symbol":
      throw notSendable("a symbol", "it means nothing in another process");
    case "object":
      if (value === null) return null;
      if (depth === 0)
        throw newelError("NEWEL_E_LIMIT", {
          what: "the nesting of a value (or it contains itself)",
          limit: writer.limits.maxDepth,
          unit: "levels",
        });
      return Array.isArray(value)
        ? Array.from(value, (entry: unknown) => write(entry, depth - 1, writer))
        : writeObject(value, depth, writer);
  }
}

function writeObject(value: object, depth: number, writer: Writer): Json {
  if (value instanceof Date)
    return tag("date", Number.isNaN(value.getTime()) ? null : value.getTime());
  if (value instanceof Map)
    return tag(
      "map",
      [...value].map((pair) => pair.map((side: unknown) => write(side, depth - 1, writer))),
    );
  if (value instanceof Set)
    return tag(
      "set",
      [...value].map((entry) => write(entry, depth - 1, writer)),
    );
  if (value instanceof Error)
    return tag("error", writeRecord(describeError(value), depth - 1, writer));
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return writeBinary(value, writer);
  if ("toJSON" in value && typeof value.toJSON === "function")
    return write((value.toJSON as () => unknown)(), depth - 1, writer);
  if (UNSENDABLE.some((type) => value instanceof type))
    throw notSendable(`a ${value.constructor.name}`, "it has no value that could be copied");
  const record = writeRecord(value, depth, writer);
  return Object.hasOwn(record, "$") ? tag("object", Object.entries(record)) : record;
}

function writeRecord(value: object, depth: number, writer: Writer): { [key: string]: Json } {
  const record: { [key: string]: Json } = {};
  for (const [key, entry] of Object.entries(value))
    if (key !== "__proto__") record[key] = write(entry, depth - 1, writer);
  return record;
}

function writeBinary(value: ArrayBufferView | ArrayBuffer, writer: Writer): Json {
  const bytes =
    value instanceof ArrayBuffer
      ? Buffer.from(value)
      : Buffer.from(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  const kind = value instanceof Uint8Array ? "Buffer" : value.constructor.name;
  if (kind !== "Buffer" && kind !== "ArrayBuffer" && !Object.hasOwn(ARRAY_TYPES, kind))
    throw notSendable(`a ${kind}`, "it is no type of array that both sides know");
  if (writer.parts.length >= writer.limits.maxParts)
    throw newelError("NEWEL_E_LIMIT", {
      what: "the number of binary parts in one value",
      limit: writer.limits.maxParts,
      unit: "parts",
    });
  return tag("bytes", [writer.parts.push(bytes) - 1, kind]);
}

function writeFunction(value: (...args: never[]) => unknown, writer: Writer): Json {
  if (writer.references === undefined)
    throw notSendable("a function", "it can be called only over a connection");
  return tag("function", writer.references.hold(value));
}

function tag(name: string, v: Json): Json {
  return { $: name, v };
}

/**
 * Gives the tagged values of a parsed body back.
 *
 * @throws NEWEL_E_FRAME
 */
export function decodeTagged(
  json: unknown,
  parts: readonly Buffer[],
  limits: CodecLimits,
  references: References | undefined,
): unknown {
  return read(json, limits.maxDepth, { parts, limits, references });
}

function read(json: unknown, depth: number, reader: Reader): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (depth === 0) throw frameError("a value that is nested too deep");
  if (Array.isArray(json)) return json.map((entry) => read(entry, depth - 1, reader));
  if (!Object.hasOwn(json, "$")) return readRecord(Object.entries(json), depth, reader);
  const { $: name, v } = json as { $: unknown; v?: unknown };
  const decoder =
    typeof name === "string" && Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (decoder === undefined)
    throw frameError(`a value with the unknown tag ${JSON.stringify(name)}`);
  return decoder(v, depth, reader);
}

function readRecord(
  entries: Iterable<readonly [string, unknown]>,
  depth: number,
  reader: Reader,
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [key, entry] of entries)
    if (key !== "__proto__") record[key] = read(entry, depth - 1, reader);
  return record;
}

const READERS: Readonly<Record<string, (v: unknown, depth: number, reader: Reader) => unknown>> = {
  undefined: () => undefined,
  number: (v) => {
    if (v !== "NaN" && v !== "Infinity" && v !== "-Infinity" && v !== "-0") throw wrong("number");
    return Number(v);
  },
  bigint: (v) => {
    if (typeof v !== "string" || v.length > MAX_BIGINT_DIGITS || !/^-?\d+$/.test(v))
      throw wrong("bigint");
    return BigInt(v);
  },
  date: (v) => {
    if (v !== null && typeof v !== "number") throw wrong("date");
    return new Date(v ?? Number.NaN);
  },
  map: (v, depth, reader) => {
    const map = new Map<unknown, unknown>();
    for (const pair of list(v, "map")) {
      const [key, value] = list(pair, "map");
      map.set(read(key, depth - 1, reader), read(value, depth - 1, reader));
    }
    return map;
  },
  set: (v, depth, reader) => new Set(list(v, "set").map((entry) => read(entry, depth - 1, reader))),
  object: (v, depth, reader) => readRecord(pairs(v), depth, reader),
  error: (v, depth, reader) => {
    if (typeof v !== "object" || v === null) throw wrong("error");
    return rebuildError(readRecord(Object.entries(v), depth - 1, reader));
  },
  bytes: (v, _depth, reader) => readBinary(v, reader),
  function: (v, _depth, reader) => {
    if (!Number.isInteger(v) || reader.references === undefined) throw wrong("function");
    return reader.references.receive(Number(v) >>> 0);
  },
};

function readBinary(v: unknown, reader: Reader): unknown {
  const [index, kind] = list(v, "bytes");
  const part = typeof index === "number" ? reader.parts[index] : undefined;
  if (part === undefined || typeof kind !== "string") throw wrong("bytes");
  if (kind === "Buffer") return part;
  const bytes = new Uint8Array(part).buffer;
  if (kind === "ArrayBuffer") return bytes;
  if (!Object.hasOwn(ARRAY_TYPES, kind)) throw wrong("bytes");
  const type = ARRAY_TYPES[kind as keyof typeof ARRAY_TYPES];
  if (part.length % type.BYTES_PER_ELEMENT !== 0) throw wrong("bytes");
  return new type(bytes);
}

function list(v: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(v)) throw wrong(name);
  return v as unknown[];
}

function pairs(v: unknown): (readonly [string, unknown])[] {
  return list(v, "object").map((pair) => {
    const [key, value] = list(pair, "object");
    if (typeof key !== "string") throw wrong("object");
    return [key, value];
  });
}

function wrong(name: string): Error {
  return frameError(`a value that is no ${name}`);
}

function notSendable(what: string, why: string): Error {
  return newelError("NEWEL_E_NOT_SENDABLE", { what, why });
}
