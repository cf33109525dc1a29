import { messageOf, newelError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";

/** What a run's input may take as JSON, if nothing else is said. */
export const PAYLOAD_LIMIT_BYTES = 1_000_000;

/**
 * A value as it will be read back: through JSON and back. What JSON cannot carry is refused, not
 * dropped in silence; what is too large is refused before all of it has been written.
 *
 * @param what - names the value in errors: `"The input of import-contacts"`
 * @throws NEWEL_E_JOB_PAYLOAD more than `limitBytes`
 * @throws NEWEL_E_JOB_VALUE not JSON: a cycle, a function, a bigint, a getter that throws
 */
export function checkJson(
  value: unknown,
  what: string,
  limitBytes: number = PAYLOAD_LIMIT_BYTES,
): string {
  const budget = { left: limitBytes };
  let text: string | undefined;
  try {
    text = JSON.stringify(value, function weigh(this: unknown, key: string, entry: unknown) {
      return weighed(this, key, entry, budget);
    });
  } catch (error) {
    if (error instanceof TooLarge) throw tooLarge(what, limitBytes);
    const why = error instanceof NotJson ? error.message : firstLine(messageOf(error));
    throw newelError("NEWEL_E_JOB_VALUE", { what, why }, error);
  }
  const json = text ?? "null";
  if (Buffer.byteLength(json) > limitBytes) throw tooLarge(what, limitBytes);
  return json;
}

/** What JSON makes an empty object of. */
const LOSSY: readonly (readonly [new (...args: never[]) => object, string])[] = [
  [Map, "send a list"],
  [Set, "send a list"],
  [Promise, "await it"],
  [Error, "send its message"],
  [RegExp, "send its source"],
];

class TooLarge extends Error {}
class NotJson extends Error {}

/** Counts less than what is written in the end, so nothing is refused that would fit. */
function weighed(holder: unknown, key: string, entry: unknown, budget: { left: number }): unknown {
  if (typeof entry === "function" || typeof entry === "symbol")
    throw new NotJson(`${place(key)} is a ${typeof entry}`);
  if (typeof entry === "bigint")
    throw new NotJson(`${place(key)} is a bigint, which JSON has not: send it as text`);
  if (typeof entry === "number" && !Number.isFinite(entry))
    throw new NotJson(`${place(key)} is ${entry}, which JSON has not`);
  for (const [Class, hint] of LOSSY)
    if (entry instanceof Class) throw new NotJson(`${place(key)} is a ${Class.name}: ${hint}`);
  if (ArrayBuffer.isView(entry) || isBufferJson(holder, key))
    throw new NotJson(`${place(key)} is binary data: store it, and send where it is`);
  budget.left -=
    (Array.isArray(holder) ? 1 : key.length) + (typeof entry === "string" ? entry.length : 1);
  if (budget.left < 0) throw new TooLarge();
  return entry;
}

/** A Buffer turns itself into an object before anybody sees it. */
function isBufferJson(holder: unknown, key: string): boolean {
  if (typeof holder !== "object" || holder === null) return false;
  return Buffer.isBuffer((holder as Record<string, unknown>)[key]);
}

function place(key: string): string {
  return key === "" ? "it" : `"${key}"`;
}

function tooLarge(what: string, limitBytes: number): Error {
  return newelError("NEWEL_E_JOB_PAYLOAD", { what, limit: formatSize(limitBytes) });
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
