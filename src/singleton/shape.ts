import { newelError } from "../base/errors.ts";

/** The methods of a class that can be called, by their kinds. */
export interface Shape {
  /** They give one answer. */
  readonly calls: readonly string[];
  /** They give many. */
  readonly streams: readonly string[];
  /** Those of `calls` that may be made again. */
  readonly idempotent: readonly string[];
}

/** What the caller of a proxy finds there besides methods, and names that promises and objects have. */
const RESERVED: ReadonlySet<string> = new Set([
  "createdNewInstance",
  "epoch",
  "isOwner",
  "leave",
  "with",
  "then",
  "catch",
  "finally",
]);

const HOOKS: ReadonlySet<string> = new Set(["constructor", "save", "restore", "lateInit"]);

/**
 * The methods of a class. Only its own count, not inherited ones, fields, accessors, `#private` ones,
 * or those whose name begins with `_`. (TypeScript's `private` is gone at run time: where it matters,
 * `static exposes` says which methods there are.)
 *
 * @throws NEWEL_E_CONTRACT when a method has a name that cannot be one, or a declared one is missing
 */
export function shapeOf(type: { readonly prototype: object }): Shape {
  const methods = ownMethods(type.prototype);
  const declared = (field: string): readonly string[] | undefined => {
    const names = (type as Readonly<Record<string, unknown>>)[field];
    if (names === undefined) return undefined;
    if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
    throw newelError("NEWEL_E_CONTRACT", { method: field, why: "it is no list of method names" });
  };
  const exposed =
    declared("exposes") ?? [...methods.keys()].filter((name) => !name.startsWith("_"));
  for (const name of exposed) checkMethod(name, methods);
  const streaming = new Set(declared("streams"));
  const isStream = (name: string): boolean =>
    streaming.has(name) || isGenerator(methods.get(name) ?? noMethod);
  const calls = exposed.filter((name) => !isStream(name));
  const idempotent = declared("idempotent") ?? [];
  for (const name of [...streaming, ...idempotent])
    if (!exposed.includes(name))
      throw newelError("NEWEL_E_CONTRACT", { method: name, why: "the class exposes none" });
  for (const name of idempotent)
    if (!calls.includes(name))
      throw newelError("NEWEL_E_CONTRACT", { method: name, why: "a stream is not made again" });
  return { calls, streams: exposed.filter(isStream), idempotent };
}

type Method = (...args: never[]) => unknown;
const noMethod: Method = () => undefined;

function ownMethods(prototype: object): ReadonlyMap<string, Method> {
  const found = new Map<string, Method>();
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
    if (typeof value === "function" && !HOOKS.has(name)) found.set(name, value as Method);
  return found;
}

function checkMethod(name: string, methods: ReadonlyMap<string, Method>): void {
  const why = RESERVED.has(name)
    ? "the name has a meaning of its own"
    : name in Object.prototype
      ? "every object inherits one"
      : methods.has(name)
        ? undefined
        : "the class has none of its own";
  if (why !== undefined) throw newelError("NEWEL_E_CONTRACT", { method: name, why });
}

const GENERATORS: ReadonlySet<unknown> = new Set([
  Object.getPrototypeOf(function* () {}),
  Object.getPrototypeOf(async function* () {}),
]);

function isGenerator(method: Method): boolean {
  return GENERATORS.has(Object.getPrototypeOf(method));
}

/** Reads a shape that a peer told. */
export function readShape(value: unknown): Shape {
  const { calls, streams, idempotent } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const names = (list: unknown): string[] =>
    Array.isArray(list) ? list.filter((name): name is string => typeof name === "string") : [];
  return { calls: names(calls), streams: names(streams), idempotent: names(idempotent) };
}
