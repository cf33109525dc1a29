import { isBuiltin } from "node:module";
import { inspect, types } from "node:util";

/**
 * The kinds of objects that can be copied into another process, and the reason for every other object. Pool,
 * wire and bus use this table; docs/reference/values.md describes it.
 */

/** The kind of an object that can be copied. A `record` is a plain object or an instance of a user's class. */
export type ObjectKind =
  | "list"
  | "record"
  | "date"
  | "regexp"
  | "map"
  | "set"
  | "error"
  | "exception"
  | "bytes"
  | "shared"
  | "boxed";

/** Why an object cannot be copied: a description of the object, and the reason. */
export interface Refusal {
  /** The description with its article: `a URL`. */
  readonly what: string;
  readonly why: string;
}

const ITERATOR = "an iterator";
const HIDDEN = "its state is hidden inside the object";
/** Own properties of a longer list are counted in constant time. */
const SHORT_LIST = 200;

/**
 * The kind of an object, or the reason why it has no copy.
 *
 * @throws the error that a trap of a Proxy throws
 */
export function kindOf(value: object): ObjectKind | Refusal {
  if (Array.isArray(value)) return "list";
  if (isPlainPrototype(Object.getPrototypeOf(value))) return "record";
  if (ArrayBuffer.isView(value)) return kindOfMemory(value.buffer, nameOfClass(value));
  const kind = builtInKind(value);
  if (kind === undefined) return instanceKind(value);
  if (typeof kind === "string" && kind !== "error" && kind !== "exception") {
    const extra = extraProperty(value);
    if (extra !== undefined)
      return {
        what: `a ${nameOfClass(value)} with the property ${JSON.stringify(extra)}`,
        why: "only its content has a copy",
      };
  }
  return kind;
}

/** Whether this is the prototype of plain objects, of this realm (the usual case) or none. */
function isPlainPrototype(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null;
}

function builtInKind(value: object): ObjectKind | Refusal | undefined {
  if (types.isDate(value)) return "date";
  if (types.isMap(value)) return "map";
  if (types.isSet(value)) return "set";
  if (isException(value)) return "exception";
  if (isError(value)) return "error";
  if (types.isRegExp(value)) return "regexp";
  if (types.isAnyArrayBuffer(value)) return kindOfMemory(value, nameOfClass(value));
  if (types.isSymbolObject(value))
    return { what: "a Symbol object", why: "a symbol means nothing in another process" };
  return types.isBoxedPrimitive(value) ? "boxed" : undefined;
}

/** Whether a value is an error, of this realm or another. A Proxy of an error counts as one. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

function isException(value: object): boolean {
  return typeof DOMException === "function" && value instanceof DOMException;
}

function kindOfMemory(memory: ArrayBufferLike, name: string): ObjectKind | Refusal {
  if (types.isSharedArrayBuffer(memory)) return "shared";
  if (memory.detached)
    return {
      what: `${withArticle(name)} whose memory was handed over`,
      why: "nothing is left of it here",
    };
  if (memory.resizable && name === "ArrayBuffer")
    return { what: "a resizable ArrayBuffer", why: "its copy could not be resized" };
  return "bytes";
}

/** A property added to an object of which only the content is copied. */
function extraProperty(value: object): string | undefined {
  const letters = types.isStringObject(value) ? String(value).length : 0;
  for (const key in value) if (Object.hasOwn(value, key) && !(Number(key) < letters)) return key;
  return undefined;
}

function instanceKind(value: object): ObjectKind | Refusal {
  const platform = platformClass(Object.getPrototypeOf(value) as object);
  if (platform === ITERATOR)
    return { what: platform, why: "only a method that is declared to stream can send its items" };
  if (platform !== "") return { what: platform, why: HIDDEN };
  if (Object.keys(value).length > 0) return "record";
  // None of its state would arrive. Objects of native code cannot be recognised by their class.
  try {
    structuredClone(value);
    return "record";
  } catch {
    return { what: withArticle(nameOfClass(value)), why: HIDDEN };
  }
}

/** Keyed by prototype: the name of the platform's class it derives from, with an article; otherwise empty. */
const platformClasses = new WeakMap<object, string>();

const ITERATORS: ReadonlySet<unknown> = new Set([
  Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())),
  Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype)),
]);

/** Classes of the platform whose state is in their own fields. */
const OPEN_CLASSES: ReadonlySet<string> = new Set(["Object", "EventEmitter", "Stats", "Url"]);

/** The class of the platform that is among the classes of a prototype. */
function platformClass(prototype: object): string {
  const known = platformClasses.get(prototype);
  if (known !== undefined) return known;
  const parent: unknown = Object.getPrototypeOf(prototype);
  const name = ITERATORS.has(prototype)
    ? ITERATOR
    : isOfPlatform(prototype)
      ? withArticle(ownName(prototype) ?? "")
      : parent === null
        ? ""
        : platformClass(parent as object);
  platformClasses.set(prototype, name);
  return name;
}

function isOfPlatform(prototype: object): boolean {
  const type = ownConstructor(prototype);
  const name = ownName(prototype);
  if (type === undefined || name === undefined || OPEN_CLASSES.has(name)) return false;
  const owners = [globalThis, Intl, namespace("Temporal"), namespace("WebAssembly")];
  return owners.some((owner) => isGlobal(owner, name, type)) || isOfNodeModule(type, name);
}

function isGlobal(owner: object | undefined, name: string, type: unknown): boolean {
  if (owner === undefined) return false;
  // The platform's own globals are not enumerable; those that a program adds are.
  const property = Object.getOwnPropertyDescriptor(owner, name);
  return property !== undefined && !property.enumerable && valueOf(owner, name) === type;
}

/** Whether a loaded module of Node.js exports this class. */
function isOfNodeModule(type: unknown, name: string): boolean {
  const loaded: unknown = Reflect.get(process, "moduleLoadList");
  if (!Array.isArray(loaded)) return false;
  return loaded.some((entry: unknown) => {
    const id = String(entry).replace("NativeModule ", "node:");
    if (!isBuiltin(id)) return false;
    const module: unknown = process.getBuiltinModule(id);
    return (
      (typeof module === "object" || typeof module === "function") &&
      module !== null &&
      Object.hasOwn(module, name) &&
      valueOf(module, name) === type
    );
  });
}

function namespace(name: string): object | undefined {
  const value = valueOf(globalThis, name);
  return typeof value === "object" && value !== null ? value : undefined;
}

function valueOf(owner: unknown, name: string): unknown {
  try {
    return (owner as Readonly<Record<string, unknown>>)[name];
  } catch {
    // A getter that throws gives no class.
    return undefined;
  }
}

function ownConstructor(prototype: object): unknown {
  return Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
}

function ownName(prototype: object): string | undefined {
  const type = ownConstructor(prototype);
  const name: unknown =
    typeof type === "function" ? Object.getOwnPropertyDescriptor(type, "name")?.value : undefined;
  return typeof name === "string" && name !== "" ? name : undefined;
}

/** The name of the class of an object, for an error. */
function nameOfClass(value: object): string {
  for (let at: unknown = value; typeof at === "object" && at !== null;) {
    at = Object.getPrototypeOf(at);
    const name = typeof at === "object" && at !== null ? ownName(at) : undefined;
    if (name !== undefined) return name;
  }
  return "object";
}

function withArticle(name: string): string {
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/**
 * Whether a list has holes or properties besides its elements. For a long list `inspect` finds such
 * properties without visiting the elements, which is much quicker than a list of all keys.
 */
export function hasMoreThanElements(list: readonly unknown[]): boolean {
  const { length } = list;
  if (length <= SHORT_LIST) {
    const keys = Object.keys(list);
    // Element keys come first: the last one is at its index only when all exist.
    return keys.length !== length || (length > 0 && keys[length - 1] !== String(length - 1));
  }
  for (let index = 0; index < length; index += 1)
    if (list[index] === undefined && !(index in list)) return true;
  const shown = inspect(list, {
    maxArrayLength: 0,
    depth: 0,
    customInspect: false,
    breakLength: Infinity,
  });
  return shown.replace(/^[^[]*/, "") !== `[ ... ${length} more items ]`;
}
