import { isNewelError, newelError, revive } from "../base/errors.ts";

/**
 * Errors on the wire. What a method threw comes out at the caller as an error with the same name,
 * message, code, properties and cause, and with the stack of the place where it was thrown. Errors
 * of newel come out as errors of newel; of the others only the built-in classes are made again,
 * any other is an Error that has its name.
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

/** An error as a record of what can be sent: properties that hold sockets and the like are left out. */
export function describeError(error: Error): Record<string, unknown> {
  const all: Record<string, unknown> = isNewelError(error)
    ? { ...error.toJSON() }
    : Object.fromEntries(Object.entries(error));
  // These are getters, inherited or not enumerable in some classes, so that they are not among the entries.
  all["name"] = error.name;
  all["message"] = error.message;
  all["stack"] = error.stack;
  if ("code" in error) all["code"] = error.code;
  if (error.cause !== undefined) all["cause"] = error.cause;
  const record: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(all)) if (isSimple(value)) record[key] = value;
  if (error instanceof AggregateError) record["errors"] = error.errors.filter(isSimple);
  return record;
}

function isSimple(value: unknown): boolean {
  if (isPrimitive(value) || value instanceof Error) return true;
  return (
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every(isPrimitive)
  );
}

function isPrimitive(value: unknown): boolean {
  return value === null || ["string", "number", "boolean", "bigint"].includes(typeof value);
}

/** The error of a record that came over the wire. */
export function rebuildError(record: Readonly<Record<string, unknown>>): Error {
  const { name, message, stack, cause, ...properties } = record;
  const text = typeof message === "string" ? message : "";
  const error =
    name === "NewelError" && typeof record["code"] === "string"
      ? revive(record)
      : new (
          (typeof name === "string" && Object.hasOwn(BUILT_IN, name)
            ? BUILT_IN[name]
            : undefined) ?? Error
        )(text);
  if (typeof stack === "string") hide(error, "stack", stack);
  if (cause !== undefined) hide(error, "cause", cause);
  if (isNewelError(error)) return error;
  if (typeof name === "string" && error.name !== name) hide(error, "name", name);
  for (const [key, value] of Object.entries(properties))
    if (!(key in Object.prototype))
      Object.defineProperty(error, key, {
        value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
  return error;
}

/** What a call rejects with when the method threw something that is no error. */
export function thrownValue(value: unknown): Error {
  if (value instanceof Error) return value;
  const message = typeof value === "string" ? value : "it threw something that is no error";
  return newelError("NEWEL_E_REMOTE", { message }, value);
}

/** As the engine itself sets these: not enumerable. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true });
}
