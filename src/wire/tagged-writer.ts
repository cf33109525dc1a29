import { types } from "node:util";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import { hasMoreThanElements, kindOf, type ObjectKind } from "../base/values.ts";
import { describeError, describeException } from "./remote-errors.ts";
import {
  MAX_SPARSE_LENGTH,
  tooDeep,
  type CodecLimits,
  type Json,
  type References,
  type TaggedBody,
} from "./tagged.ts";

/** Options for writing a value. */
export interface WriteOptions {
  readonly limits: CodecLimits;
  /** If missing, functions are refused. */
  readonly references?: References | undefined;
  /**
   * Registers an object that is passed to the reader as it is, outside the text: shared memory, a
   * port. Returns its number, or `undefined` when it is not such an object.
   */
  readonly handOver?: (value: object) => number | undefined;
}

/**
 * Details of a thrown error are cut after this many objects, but never its name, message and stack.
 */
const MAX_DETAIL_OBJECTS = 10_000;

/**
 * Writes a value as tagged JSON.
 *
 * @throws NEWEL_E_NOT_SENDABLE with the path of a part that cannot be sent
 * @throws NEWEL_E_LIMIT when it is nested too deep or has too much binary data
 */
export function encodeTagged(value: unknown, options: WriteOptions): TaggedBody {
  return new Writer(options).encode(value);
}

/** Writes a thrown error: a part of its details that cannot be sent is left out. */
export function encodeThrown(error: Error, limits: CodecLimits): TaggedBody {
  return new Writer({ limits }, MAX_DETAIL_OBJECTS).encode(error);
}

class Writer {
  readonly #parts: Uint8Array[] = [];
  readonly #options: WriteOptions;
  readonly #numbers = new Map<object, number>();
  /** The numbered objects in order, recorded only if parts that cannot be sent are left out. */
  readonly #order: object[] = [];
  readonly #path: (string | number)[] = [];
  /**
   * The number of objects that may still be written; set only if parts that cannot be sent are left
   * out.
   */
  #objectsLeft: number | undefined;

  constructor(options: WriteOptions, maxObjects?: number) {
    this.#options = options;
    this.#objectsLeft = maxObjects;
  }

  encode(value: unknown): TaggedBody {
    try {
      const json = JSON.stringify(this.#write(value, this.#options.limits.maxDepth));
      return { json, parts: this.#parts };
    } catch (error) {
      throw isNewelError(error) ? error : this.#unreadable(error);
    }
  }

  #write(value: unknown, depth: number): Json {
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
        // Reading hexadecimal digits takes linear time, reading decimal digits quadratic time.
        return tag("bigint", value.toString(16));
      case "function":
        return this.#function(value as (...args: never[]) => unknown);
      case "symbol":
        throw this.#refuse("a symbol", "it means nothing in another process");
      case "object":
        return value === null ? null : this.#object(value, depth);
    }
  }

  #object(value: object, depth: number): Json {
    const known = this.#numbers.get(value);
    if (known !== undefined) return tag("ref", known);
    if (depth === 0) throw tooDeep(this.#options.limits.maxDepth);
    const handed = this.#options.handOver?.(value);
    if (this.#objectsLeft !== undefined) {
      this.#objectsLeft -= 1;
      if (this.#objectsLeft < 0)
        throw this.#refuse("one of too many objects", "details are bounded");
    }
    this.#numbers.set(value, this.#numbers.size);
    if (this.#objectsLeft !== undefined) this.#order.push(value);
    if (handed !== undefined) return tag("handed", handed);
    const kind = kindOf(value);
    if (typeof kind !== "string") throw this.#refuse(kind.what, kind.why);
    return this.#content(value, kind, depth);
  }

  #content(value: object, kind: ObjectKind, depth: number): Json {
    switch (kind) {
      case "list":
        return this.#list(value as readonly unknown[], depth);
      case "record": {
        const record = this.#record(value, depth);
        return isAmbiguous(record) ? tag("object", Object.entries(record)) : record;
      }
      case "date":
        return tag("date", time(value as Date));
      case "regexp":
        return tag("regexp", [(value as RegExp).source, (value as RegExp).flags]);
      case "map":
        return tag("map", this.#pairs(Map.prototype.entries.call(value), depth));
      case "set":
        return tag("set", this.#entries([...Set.prototype.values.call(value)], depth));
      case "error":
        return tag("error", this.#error(value, describeError(value as Error), depth));
      case "exception":
        return tag("exception", this.#error(value, describeException(value as Error), depth));
      case "boxed":
        return tag("boxed", this.#write(primitiveOf(value), depth));
      case "bytes":
        return this.#binary(value as ArrayBufferView | ArrayBuffer);
      case "shared":
        return this.#shared(value as ArrayBufferView | SharedArrayBuffer);
    }
  }

  #list(list: readonly unknown[], depth: number): Json {
    if (!hasMoreThanElements(list)) return this.#entries(list, depth);
    if (list.length > MAX_SPARSE_LENGTH && Object.keys(list).length < list.length)
      throw this.#refuse(`a list of ${list.length} with holes`, "it is too long for one");
    return tag("list", [list.length, this.#record(list, depth)]);
  }

  #entries(list: readonly unknown[], depth: number): Json[] {
    const entries: Json[] = [];
    for (let index = 0; index < list.length; index += 1) {
      this.#path.push(index);
      entries.push(this.#write(list[index], depth - 1));
      this.#path.pop();
    }
    return entries;
  }

  #pairs(pairs: Iterable<[unknown, unknown]>, depth: number): Json {
    return Array.from(pairs, ([key, entry]) => {
      this.#path.push(typeof key === "string" ? key : "(a key)");
      const pair = [this.#write(key, depth - 1), this.#write(entry, depth - 1)];
      this.#path.pop();
      return pair;
    });
  }

  #record(value: object, depth: number): { [key: string]: Json } {
    const record: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      this.#path.push(key);
      this.#property(record, value, key, depth);
      this.#path.pop();
    }
    return record;
  }

  #property(record: { [key: string]: Json }, value: object, key: string, depth: number): void {
    if (key !== "__proto__") {
      record[key] = this.#write((value as Record<string, unknown>)[key], depth - 1);
      return;
    }
    if (this.#options.limits.allowsProto !== true)
      throw this.#refuse(
        "a property named __proto__",
        "the reader could mistake it for a prototype",
      );
    const entry = this.#write(Object.getOwnPropertyDescriptor(value, key)?.value, depth - 1);
    Object.defineProperty(record, key, { value: entry, enumerable: true });
  }

  /** The fields of an error, then its other properties; the reader reads them in this order. */
  #error(error: object, fields: Readonly<Record<string, unknown>>, depth: number): Json {
    const record = this.#details(fields, depth);
    const properties = this.#details(error, depth);
    if (Object.keys(properties).length > 0) record["properties"] = properties;
    return record;
  }

  /** The properties of an error. If the error was thrown, properties that cannot be sent are left out. */
  #details(value: object, depth: number): { [key: string]: Json } {
    if (this.#objectsLeft === undefined) return this.#record(value, depth);
    const record: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      const [steps, parts, numbered] = [this.#path.length, this.#parts.length, this.#order.length];
      const left: number = this.#objectsLeft;
      try {
        this.#property(record, value, key, depth);
      } catch {
        this.#path.length = steps;
        this.#parts.length = parts;
        this.#objectsLeft = left;
        // The reader does not count objects that were not written.
        for (const object of this.#order.splice(numbered)) this.#numbers.delete(object);
      }
    }
    return record;
  }

  #binary(value: ArrayBufferView | ArrayBuffer): Json {
    const bytes =
      value instanceof Uint8Array
        ? value
        : ArrayBuffer.isView(value)
          ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
          : new Uint8Array(value);
    const { maxParts } = this.#options.limits;
    if (this.#parts.length >= maxParts)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the number of binary parts in one value",
        limit: maxParts,
        unit: "parts",
      });
    return tag("bytes", [this.#parts.push(bytes) - 1, typeName(value)]);
  }

  #shared(value: ArrayBufferView | SharedArrayBuffer): Json {
    const memory = ArrayBuffer.isView(value) ? value.buffer : value;
    const handed = this.#options.handOver?.(memory);
    if (handed === undefined)
      throw this.#refuse("shared memory", "only a thread of this process can have it");
    const { byteOffset = 0, byteLength } = value as Partial<ArrayBufferView> & typeof memory;
    return tag("shared", [handed, typeName(value), byteOffset, byteLength]);
  }

  #function(value: (...args: never[]) => unknown): Json {
    const { references } = this.#options;
    if (references === undefined || this.#objectsLeft !== undefined)
      throw this.#refuse("a function", "it can be called only over a connection");
    return tag("function", references.hold(value));
  }

  #refuse(what: string, why: string): Error {
    return newelError("NEWEL_E_NOT_SENDABLE", { path: pathOf(this.#path), what, why });
  }

  /** A getter, a trap of a Proxy or the engine itself threw. */
  #unreadable(error: unknown): Error {
    const why = `reading it failed (${messageOf(error)})`;
    const path = pathOf(this.#path);
    return newelError("NEWEL_E_NOT_SENDABLE", { path, what: "no readable value", why }, error);
  }
}

/** A path in the syntax of code: `value.users[2]["first name"]`. */
function pathOf(path: readonly (string | number)[]): string {
  const steps = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return `value${steps.join("")}`;
}

function isAmbiguous(record: { [key: string]: Json }): boolean {
  return Object.hasOwn(record, "$") || Object.hasOwn(record, "__proto__");
}

function time(date: Date): number | null {
  const ms = Date.prototype.getTime.call(date);
  return Number.isNaN(ms) ? null : ms;
}

/** The content of a boxed primitive, regardless of overridden methods. */
function primitiveOf(value: object): unknown {
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  return BigInt.prototype.valueOf.call(value);
}

/** The type of binary data, also for an instance of a derived class. */
function typeName(value: ArrayBufferView | ArrayBufferLike): string {
  if (Buffer.isBuffer(value)) return "Buffer";
  if (types.isTypedArray(value)) return value[Symbol.toStringTag];
  if (types.isDataView(value)) return "DataView";
  return types.isSharedArrayBuffer(value) ? "SharedArrayBuffer" : "ArrayBuffer";
}

function tag(name: string, v: Json): Json {
  return { $: name, v };
}
