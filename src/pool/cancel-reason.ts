import { bodyOfError, type Body } from "./body.ts";

/** Thousands of tasks may share one signal: its reason is encoded once. */
const encoded = new WeakMap<Error, Body>();

/**
 * The reason of an abort as a worker receives it: an error is sent as it is. Any other reason is
 * not sent, nor is the AbortError that `abort()` makes without an argument.
 */
export function reasonBody(reason: unknown): Body {
  if (!(reason instanceof Error) || reason.name === "AbortError") return "";
  const known = encoded.get(reason);
  if (known !== undefined) return known;
  const body = bodyOfError(reason);
  encoded.set(reason, body);
  return body;
}
