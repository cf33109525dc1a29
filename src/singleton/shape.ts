import { newelError } from "../base/errors.ts";

/** The callable methods of a class, by their kinds. */
export interface Shape {
  /** Methods with one result. */
  readonly calls: readonly string[];
  /** Methods with many results. */
  readonly streams: readonly string[];
  /** The names in `calls` that may be repeated. */
  readonly idempotent: readonly string[];
  /** Fields of the instance that are functions; only the owner knows them. */
  readonly fields?: readonly string[];
  /** Fields of the instance that are generator functions. */
  readonly fieldStreams?: readonly string[];
}

/** Properties of the proxy besides methods, and names that promises have. */
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
 * The methods of a class, inherited ones included; not accessors, `#private` methods, or methods
 * whose name begins with `_`. (TypeScript's `private` does not exist at run time: if it matters,
 * `static exposes` lists the methods.) A declared name that the class lacks may be a field of its
 * instances, which {@link checkFields} checks.
 *
 * @throws NEWEL_E_CONTRACT when the name of a method is not allowed
 */
export function shapeOf(type: { readonly prototype: object }): Shape {
  const methods = methodsOf(type.prototype);
  const [exposes, streams, idempotent] = [
    declared(type, "exposes"),
    declared(type, "streams") ?? [],
    declared(type, "idempotent") ?? [],
  ];
  const exposed = exposes ?? [
    ...new Set([
      ...[...methods.keys()].filter((name) => !name.startsWith("_") && !(name in Object.prototype)),
      ...streams,
      ...idempotent,
    ]),
  ];
  for (const name of exposed) checkName(name);
  const streaming = new Set(streams);
  const isStream = (name: string): boolean =>
    streaming.has(name) || isGenerator(methods.get(name) ?? noMethod);
  const calls = exposed.filter((name) => !isStream(name));
  for (const name of [...streaming, ...idempotent])
    if (!exposed.includes(name))
      throw newelError("NEWEL_E_CONTRACT", { method: name, why: "the class does not expose it" });
  for (const name of idempotent)
    if (!calls.includes(name))
      throw newelError("NEWEL_E_CONTRACT", { method: name, why: "a stream is not made again" });
  return { calls, streams: exposed.filter(isStream), idempotent };
}

function declared(type: object, field: string): readonly string[] | undefined {
  const names = (type as Readonly<Record<string, unknown>>)[field];
  if (names === undefined) return undefined;
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  throw newelError("NEWEL_E_CONTRACT", { method: field, why: "it is no list of method names" });
}

/**
 * Whether the calls of a class run one at a time.
 *
 * @throws NEWEL_E_CONTRACT when `static serial` is not a boolean
 */
export function isSerial(type: object): boolean {
  const { serial = false } = type as { readonly serial?: unknown };
  if (typeof serial === "boolean") return serial;
  throw newelError("NEWEL_E_CONTRACT", { method: "serial", why: "it is neither true nor false" });
}

/**
 * The shape of an instance: that of its class, and the methods that are its fields.
 *
 * @throws NEWEL_E_CONTRACT when it lacks a method that its class declares
 */
export function shapeOfInstance(instance: object, type: object, shape: Shape): Shape {
  const known = [...shape.calls, ...shape.streams];
  for (const name of known)
    if (typeof (instance as Readonly<Record<string, unknown>>)[name] !== "function")
      throw newelError("NEWEL_E_CONTRACT", { method: name, why: "the class has no such method" });
  if (declared(type, "exposes") !== undefined) return shape;
  const fields = Object.entries(Object.getOwnPropertyDescriptors(instance)).filter(
    ([name, { value, enumerable }]) =>
      enumerable === true &&
      typeof value === "function" &&
      !known.includes(name) &&
      !HOOKS.has(name) &&
      !name.startsWith("_") &&
      nameProblem(name) === undefined,
  );
  const names = (streams: boolean): string[] =>
    fields
      .filter(([, { value }]) => isGenerator(value as Method) === streams)
      .map(([name]) => name);
  return { ...shape, fields: names(false), fieldStreams: names(true) };
}

type Method = (...args: never[]) => unknown;
const noMethod: Method = () => undefined;

/** By name, the method that an instance would have; the nearest class takes precedence. */
function methodsOf(prototype: object): ReadonlyMap<string, Method> {
  const found = new Map<string, Method>();
  for (let at: unknown = prototype; isClassPrototype(at); at = Object.getPrototypeOf(at))
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === "function" && !HOOKS.has(name) && !found.has(name))
        found.set(name, value as Method);
  return found;
}

function isClassPrototype(value: unknown): value is object {
  return typeof value === "object" && value !== null && value !== Object.prototype;
}

function checkName(name: string): void {
  const why = nameProblem(name);
  if (why !== undefined) throw newelError("NEWEL_E_CONTRACT", { method: name, why });
}

function nameProblem(name: string): string | undefined {
  if (RESERVED.has(name)) return "the proxy has a property of that name";
  return name in Object.prototype ? "every object inherits one" : undefined;
}

const GENERATORS: ReadonlySet<unknown> = new Set([
  Object.getPrototypeOf(function* () {}),
  Object.getPrototypeOf(async function* () {}),
]);

function isGenerator(method: Method): boolean {
  return GENERATORS.has(Object.getPrototypeOf(method));
}

/** Reads the shape that a peer sent. */
export function readShape(value: unknown): Shape {
  const { calls, streams, idempotent, fields, fieldStreams } = (value ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const names = (list: unknown): string[] =>
    Array.isArray(list) ? list.filter((name): name is string => typeof name === "string") : [];
  return {
    calls: names(calls),
    streams: names(streams),
    idempotent: names(idempotent),
    fields: names(fields),
    fieldStreams: names(fieldStreams),
  };
}
