import { frameError } from "./frames.ts";
import { completeError, rebuildError, rebuildException, type ErrorTexts } from "./remote-errors.ts";
import { MAX_SPARSE_LENGTH, type CodecLimits, type References } from "./tagged.ts";
import { READ_BYTES } from "./transport.ts";

/** The types of binary data besides ArrayBuffer, DataView and Buffer. */
const ARRAY_TYPES = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

/** Options for reading a value, besides its parsed JSON. */
export interface ReadOptions {
  readonly limits: CodecLimits;
  /** The binary parts. */
  readonly parts: readonly Buffer[];
  /** Each part is memory with no other user: it need not be copied. */
  readonly ownsParts?: boolean;
  /** If missing, functions are an error. */
  readonly references?: References | undefined;
  /** The objects that were passed outside the text, by number. */
  readonly handed?: readonly unknown[];
}

/**
 * Rebuilds the values of parsed tagged JSON. The result is `json` itself, changed in place.
 *
 * @throws NEWEL_E_FRAME
 */
export function decodeTagged(json: unknown, options: ReadOptions): unknown {
  return new Reader(options).read(json, options.limits.maxDepth);
}

class Reader {
  readonly options: ReadOptions;
  /** The objects so far, by number. */
  readonly #objects: unknown[] = [];

  constructor(options: ReadOptions) {
    this.options = options;
  }

  read(json: unknown, depth: number): unknown {
    if (typeof json !== "object" || json === null) return json;
    if (depth === 0) throw frameError("a value that is nested too deep");
    if (Array.isArray(json)) return this.entries(this.begun(json as unknown[]), depth);
    if (!Object.hasOwn(json, "$")) return this.record(this.begun(json as Writable), depth);
    const { $: name, v } = json as { $: unknown; v?: unknown };
    const decoder =
      typeof name === "string" && Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (decoder === undefined)
      throw frameError(`a value with the unknown tag ${JSON.stringify(name)}`);
    return decoder(v, depth, this);
  }

  /** Gives an object its number; called before its content is read. */
  begun<T extends object>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  entries(list: unknown[], depth: number): unknown[] {
    for (let index = 0; index < list.length; index += 1) {
      const entry = list[index];
      if (typeof entry === "object" && entry !== null) list[index] = this.read(entry, depth - 1);
    }
    return list;
  }

  record(record: Writable, depth: number): Writable {
    // A record that is written without a tag has no key `__proto__`, but a hostile one may have it.
    for (const key of Object.keys(record)) {
      const entry = record[key];
      if (key === "__proto__") Reflect.deleteProperty(record, key);
      else if (typeof entry === "object" && entry !== null)
        record[key] = this.read(entry, depth - 1);
    }
    return record;
  }

  /**
   * A part as a Buffer. A part of this size is inside a frame that was copied together, and can
   * stay there unless it would keep much more memory alive than its own size; a smaller part is
   * copied, because the next read reuses its memory.
   */
  memory(part: Buffer): Buffer {
    const stays = part.length > READ_BYTES && part.length * 2 > part.buffer.byteLength;
    return stays || this.options.ownsParts === true ? part : this.#copy(part);
  }

  /** A part at the beginning of memory that it has for itself. */
  aligned(part: Buffer): Buffer {
    const isWhole = part.byteLength === part.buffer.byteLength;
    return this.options.ownsParts === true && isWhole ? part : this.#copy(part);
  }

  #copy(part: Buffer): Buffer {
    const copy = Buffer.allocUnsafeSlow(part.length);
    part.copy(copy);
    return copy;
  }

  known(number: unknown): unknown {
    if (typeof number !== "number" || !(number in this.#objects)) throw wrong("ref");
    return this.#objects[number];
  }
}

type Writable = Record<string, unknown>;

const READERS: Readonly<Record<string, (v: unknown, depth: number, reader: Reader) => unknown>> = {
  undefined: () => undefined,
  number: (v) => {
    if (v !== "NaN" && v !== "Infinity" && v !== "-Infinity" && v !== "-0") throw wrong("number");
    return Number(v);
  },
  bigint: (v) => {
    if (typeof v !== "string" || !/^-?[\da-f]+$/.test(v)) throw wrong("bigint");
    return v.startsWith("-") ? -BigInt(`0x${v.slice(1)}`) : BigInt(`0x${v}`);
  },
  ref: (v, _depth, reader) => reader.known(v),
  handed: (v, _depth, reader) => {
    const object = typeof v === "number" ? reader.options.handed?.[v] : undefined;
    if (typeof object !== "object" || object === null) throw wrong("handed");
    return reader.begun(object);
  },
  date: (v, _depth, reader) => {
    if (v !== null && typeof v !== "number") throw wrong("date");
    return reader.begun(new Date(v ?? Number.NaN));
  },
  regexp: (v, _depth, reader) => {
    const [source, flags] = list(v, "regexp");
    if (typeof source !== "string" || typeof flags !== "string") throw wrong("regexp");
    try {
      return reader.begun(new RegExp(source, flags));
    } catch (error) {
      throw frameError("a value that is no regexp", error);
    }
  },
  boxed: (v, depth, reader) => {
    const primitive = reader.read(v, depth);
    if (!["string", "number", "boolean", "bigint"].includes(typeof primitive)) throw wrong("boxed");
    return reader.begun(Object(primitive) as object);
  },
  list: (v, depth, reader) => {
    const [length, entries] = list(v, "list");
    if (typeof length !== "number" || !Number.isInteger(length) || length < 0) throw wrong("list");
    return readSparse(length, entries, depth, reader);
  },
  map: (v, depth, reader) => {
    const map = reader.begun(new Map<unknown, unknown>());
    for (const pair of list(v, "map")) {
      const [key, value] = list(pair, "map");
      const readKey = reader.read(key, depth - 1);
      map.set(readKey, reader.read(value, depth - 1));
    }
    return map;
  },
  set: (v, depth, reader) => {
    const set = reader.begun(new Set<unknown>());
    for (const entry of list(v, "set")) set.add(reader.read(entry, depth - 1));
    return set;
  },
  object: (v, depth, reader) => {
    const record = reader.begun<Writable>({});
    for (const pair of list(v, "object")) {
      const [key, value] = list(pair, "object");
      if (typeof key !== "string") throw wrong("object");
      define(record, key, reader.read(value, depth - 1), reader);
    }
    return record;
  },
  error: (v, depth, reader) => {
    const { fields, properties } = errorParts(v);
    const { code, fix, data } = properties;
    const error = reader.begun(rebuildError({ code, fix, data, ...fields } as ErrorTexts));
    completeError(error, reader.record(fields, depth), reader.record(properties, depth));
    return error;
  },
  exception: (v, depth, reader) => {
    const { fields, properties } = errorParts(v);
    const error = reader.begun(rebuildException(fields));
    completeError(error, reader.record(fields, depth), reader.record(properties, depth));
    return error;
  },
  bytes: (v, _depth, reader) => readBinary(v, reader),
  shared: (v, _depth, reader) => readShared(v, reader),
  function: (v, _depth, reader) => {
    const { references } = reader.options;
    if (!Number.isInteger(v) || references === undefined) throw wrong("function");
    return references.receive(Number(v) >>> 0);
  },
};

function readSparse(length: number, v: unknown, depth: number, reader: Reader): unknown[] {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw wrong("list");
  const entries = Object.entries(v);
  if (length > MAX_SPARSE_LENGTH && entries.length < length) throw wrong("list");
  const whole = reader.begun<unknown[]>([]);
  whole.length = length;
  for (const [key, entry] of entries) {
    const value = reader.read(entry, depth - 1);
    define(whole as unknown as Writable, key, value, reader);
  }
  if (whole.length !== length) throw wrong("list");
  return whole;
}

/** Sets a property; one named `__proto__` is dropped unless the peer is trusted. */
function define(target: Writable, key: string, value: unknown, reader: Reader): void {
  if (key !== "__proto__") target[key] = value;
  else if (reader.options.limits.allowsProto === true)
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
}

function errorParts(v: unknown): { readonly fields: Writable; readonly properties: Writable } {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw wrong("error");
  const { properties = {}, ...fields } = v as Writable;
  if (typeof properties !== "object" || properties === null || Array.isArray(properties))
    throw wrong("error");
  return { fields, properties: properties as Writable };
}

function readBinary(v: unknown, reader: Reader): unknown {
  const [index, kind] = list(v, "bytes");
  const part = typeof index === "number" ? reader.options.parts[index] : undefined;
  if (part === undefined || typeof kind !== "string") throw wrong("bytes");
  if (kind === "Buffer") return reader.begun(reader.memory(part));
  const bytes = reader.aligned(part);
  return reader.begun(
    viewOf(kind, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength, "bytes"),
  );
}

function readShared(v: unknown, reader: Reader): unknown {
  const [index, kind, offset, bytes] = list(v, "shared");
  const memory = typeof index === "number" ? reader.options.handed?.[index] : undefined;
  if (!(memory instanceof SharedArrayBuffer)) throw wrong("shared");
  if (kind === "SharedArrayBuffer") return reader.begun(memory);
  return reader.begun(viewOf(kind, memory, Number(offset), Number(bytes), "shared"));
}

/** A view of memory that has the right size for it. */
function viewOf(
  kind: unknown,
  memory: ArrayBuffer | SharedArrayBuffer,
  offset: number,
  bytes: number,
  name: string,
): object {
  if (kind === "ArrayBuffer") return memory;
  if (kind === "DataView") return new DataView(memory, offset, bytes);
  if (kind === "Buffer") return Buffer.from(memory as ArrayBuffer, offset, bytes);
  if (typeof kind !== "string" || !Object.hasOwn(ARRAY_TYPES, kind)) throw wrong(name);
  const type = ARRAY_TYPES[kind as keyof typeof ARRAY_TYPES];
  if (bytes % type.BYTES_PER_ELEMENT !== 0) throw wrong(name);
  return new type(memory as ArrayBuffer, offset, bytes / type.BYTES_PER_ELEMENT);
}

function list(v: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(v)) throw wrong(name);
  return v as unknown[];
}

function wrong(name: string): Error {
  return frameError(`a value that is no ${name}`);
}
