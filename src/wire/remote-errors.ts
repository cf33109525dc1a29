import { messageOf, newelError, revive, isNewelError } from "../base/errors.ts";
import { isError } from "../base/values.ts";

/**
 * Errors on the wire. The caller gets the error that a method threw with the same name, message,
 * code, properties and cause, and with the stack of the place where it was thrown. Errors of newel
 * arrive as errors of newel; of the others only the built-in classes are rebuilt, any other becomes
 * an Error with its name.
 */

const BUILT_IN: Readonly<Record<string, new (message: string) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Properties that the engine itself sets on errors; they are not enumerable. */
const HIDDEN_FIELDS = ["cause", "errors", "error", "suppressed"] as const;

/** The texts of an error, and the fields that are not among its enumerable properties. */
export function describeError(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    ...texts(error),
    ...(isBuiltIn(error, "AggregateError") ? { type: "AggregateError" } : {}),
    ...(isBuiltIn(error, "SuppressedError") ? { type: "SuppressedError" } : {}),
  };
  const code = attempt(() => ("code" in error ? error.code : undefined));
  if (!isEnumerable(error, "code") && (typeof code === "string" || typeof code === "number"))
    fields["code"] = code;
  for (const name of HIDDEN_FIELDS) {
    if (isEnumerable(error, name)) continue;
    const value = attempt(() => (error as unknown as Readonly<Record<string, unknown>>)[name]);
    if (value !== undefined || Object.hasOwn(error, name)) fields[name] = value;
  }
  return fields;
}

/** A DOMException, whose code follows from its name. */
export function describeException(error: Error): Record<string, unknown> {
  const cause = attempt(() => error.cause);
  return { ...texts(error), ...(cause === undefined ? {} : { cause }) };
}

/** A failing part of an error never costs its name, message and stack. */
function texts(error: Error): Record<string, unknown> {
  const name = attempt(() => error.name);
  const stack = attempt(() => error.stack);
  return {
    name: typeof name === "string" ? name : "Error",
    message: messageOf(error),
    ...(typeof stack === "string" ? { stack } : {}),
  };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // The error's own getter failed; the rest of it is still worth sending.
    return undefined;
  }
}

function isBuiltIn(error: Error, name: "AggregateError" | "SuppressedError"): boolean {
  const type: unknown = Reflect.get(globalThis, name);
  return typeof type === "function" && attempt(() => error instanceof type) === true;
}

function isEnumerable(error: object, name: string): boolean {
  return attempt(() => Object.getOwnPropertyDescriptor(error, name)?.enumerable) === true;
}

/** The most characters in each text of an error whose details are too large to be sent. */
const SHORT_TEXT = 4_096;

/** An error with only the texts of another error, shortened where they are long. */
export function bareError(error: Error): Error {
  const { name, message, stack } = texts(error) as Readonly<Record<string, string | undefined>>;
  const bare = new Error(message?.slice(0, SHORT_TEXT));
  hide(bare, "name", name?.slice(0, SHORT_TEXT));
  if (stack !== undefined) hide(bare, "stack", stack.slice(0, SHORT_TEXT));
  return bare;
}

/** The texts of an error that came over the wire. */
export interface ErrorTexts {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly stack?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly fix?: unknown;
}

/** Builds an error with these texts; {@link completeError} adds the rest. */
export function rebuildError(texts: ErrorTexts): Error {
  const { name, message, stack, type, code } = texts;
  const text = typeof message === "string" ? message : "";
  const error =
    name === "NewelError" && typeof code === "string" ? revive(texts) : make(type ?? name, text);
  if (typeof stack === "string") hide(error, "stack", stack);
  if (isNewelError(error)) return error;
  if (typeof name === "string" && error.name !== name) hide(error, "name", name);
  if (typeof code === "string" || typeof code === "number") show(error, "code", code);
  return error;
}

function make(name: unknown, message: string): Error {
  if (name === "AggregateError") return new AggregateError([], message);
  const type: unknown = name === "SuppressedError" ? Reflect.get(globalThis, name) : undefined;
  if (typeof type === "function")
    return Reflect.construct(type, [undefined, undefined, message]) as Error;
  return new (
    (typeof name === "string" && Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined) ??
    Error
  )(message);
}

/** A DOMException of these texts. */
export function rebuildException(texts: ErrorTexts): Error {
  const { name, message, stack } = texts;
  const error = new DOMException(
    typeof message === "string" ? message : "",
    typeof name === "string" ? name : "Error",
  );
  if (typeof stack === "string") hide(error, "stack", stack);
  return error;
}

/** Adds the fields and properties that came with an error. */
export function completeError(
  error: Error,
  fields: Readonly<Record<string, unknown>>,
  properties: Readonly<Record<string, unknown>>,
): void {
  for (const name of HIDDEN_FIELDS)
    if (Object.hasOwn(fields, name)) hide(error, name, fields[name]);
  const isOurs = isNewelError(error);
  for (const [key, value] of Object.entries(properties))
    if (!isOurs || !["name", "code", "fix", "data"].includes(key)) show(error, key, value);
}

/** The rejection of a call whose method threw a value that is not an error. */
export function thrownValue(value: unknown): Error {
  if (attempt(() => isError(value)) === true) return value as Error;
  const message = typeof value === "string" ? value : "it threw something that is no error";
  return newelError("NEWEL_E_REMOTE", { message }, value);
}

/** Not enumerable, as the engine itself sets these properties. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true });
}

function show(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}
