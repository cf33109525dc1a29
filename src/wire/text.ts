import { plainText } from "./codec.ts";
import { frameError } from "./frames.ts";
import { decodeTagged } from "./tagged-reader.ts";
import { encodeTagged } from "./tagged-writer.ts";
import type { CodecLimits } from "./tagged.ts";

/** Both ends are programs of the same user: only the depth is bounded, by the stack. */
const LIMITS: CodecLimits = { maxDepth: 1_000, maxParts: 1_000_000, allowsProto: true };

/** Prefix of tagged JSON; no JSON text begins with it. */
const TAGGED = "$";

/**
 * Writes a value as text, for channels that carry only text, such as messages between a process and
 * its child. It supports the values that docs/reference/values.md lists, binary data as base64.
 *
 * @throws NEWEL_E_NOT_SENDABLE with the path of a part that cannot be sent
 * @throws NEWEL_E_LIMIT when it is nested deeper than 1,000 levels
 */
export function encodeText(value: unknown): string {
  if (value === undefined) return "";
  const plain = plainText(value, LIMITS.maxDepth);
  if (plain !== undefined) return plain;
  const { json, parts } = encodeTagged(value, { limits: LIMITS });
  const texts = parts.map((part) =>
    Buffer.from(part.buffer as ArrayBuffer, part.byteOffset, part.byteLength).toString("base64"),
  );
  return `${TAGGED}${JSON.stringify([json, ...texts])}`;
}

/**
 * Reads a value that {@link encodeText} wrote.
 *
 * @throws NEWEL_E_FRAME when the text is not one of these
 */
export function decodeText(text: string): unknown {
  if (text === "") return undefined;
  if (!text.startsWith(TAGGED)) return parse(text);
  const [json, ...texts] = parse(text.slice(TAGGED.length)) as readonly string[];
  const parts = texts.map((part) => Buffer.from(part, "base64"));
  return decodeTagged(parse(json ?? ""), { limits: LIMITS, parts });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw frameError("a text that is no value", error);
  }
}
