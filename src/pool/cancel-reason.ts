import { bodyOfError, type Body } from "./body.ts";

/** Tasks by the thousand may share one signal: its reason is encoded once. */
const encoded = new WeakMap<Error, Body>();

/**
 * What a worker is told of the reason of an abort: an error as it is. Nothing of any other, and of
 * the AbortError that `abort()` makes when it is given none.
 */
export function reasonBody(reason: unknown): Body {
  if (!(reason instanceof Error) || reason.name === "AbortError") return "";
  const known = encoded.get(reason);
  if (known !== undefined) return known;
  const body = bodyOfError(reason);
  encoded.set(reason, body);
  return body;
}
