import { deserialize, serialize } from "node:v8";

/**
 * Plain values with large texts. Quoting a text as JSON and parsing it, or writing and reading it
 * by v8.serialize, takes several times as long as copying it, so each large text is sent as a
 * separate part in UTF-8, and the rest of the value by v8.serialize:
 *
 *     [the value with "" for each text, the path of each text] | text | text | …
 *
 * A text with lone surrogates has no UTF-8 and stays in the rest.
 */

/** A text of at least this length is sent separately. */
const LARGE_TEXT = 16_384;
/** The depth, and the number of entries per level, of the search for such a text. */
const LOOK_DEPTH = 3;
const LOOK_ENTRIES = 8;

type Path = readonly string[];
/** The texts of a value, and the places from which they were taken. */
type Texts = Map<Path, string>;

/** Whether a short search finds a large text in a plain value. */
export function holdsLargeText(value: unknown, depth: number = LOOK_DEPTH): boolean {
  if (typeof value === "string") return value.length >= LARGE_TEXT;
  if (!isContainer(value) || depth === 0) return false;
  let left = LOOK_ENTRIES;
  for (const key in value) {
    if (holdsLargeText(value[key], depth - 1)) return true;
    left -= 1;
    if (left === 0) return false;
  }
  return false;
}

/** A plain value and its large texts, of which the rest has only the places. */
export interface SeparateTexts {
  readonly rest: unknown;
  readonly paths: readonly Path[];
  readonly texts: readonly string[];
}

/** Separates the large texts from a plain value, which is not changed. */
export function takeTexts(value: unknown): SeparateTexts {
  const found: Texts = new Map();
  const rest = withoutTexts(value, [], found);
  return { rest, paths: [...found.keys()], texts: [...found.values()] };
}

/** Puts the texts back into their places. */
export function putTexts({ rest, paths, texts }: SeparateTexts): unknown {
  const root = { value: rest };
  for (const [index, path] of paths.entries()) {
    let at: Record<string, unknown> = root;
    let name = "value";
    for (const key of path) {
      at = at[name] as Record<string, unknown>;
      name = key;
    }
    at[name] = texts[index];
  }
  return root.value;
}

/** The parts of a plain value: the rest, then its large texts. */
export function encodeTexts(value: unknown): Uint8Array[] {
  const { rest, paths, texts } = takeTexts(value);
  return [serialize([rest, paths]), ...texts.map((text) => Buffer.from(text))];
}

/** Reads a value from its parts. */
export function decodeTexts(rest: Buffer, texts: readonly Buffer[]): unknown {
  const [value, paths] = deserialize(rest) as [unknown, readonly Path[]];
  return putTexts({ rest: value, paths, texts: texts.map((text) => text.toString()) });
}

/** Copies the levels of a value from which a text is taken. */
function withoutTexts(value: unknown, path: Path, texts: Texts): unknown {
  if (typeof value === "string") {
    if (value.length < LARGE_TEXT || !value.isWellFormed()) return value;
    texts.set(path, value);
    return "";
  }
  if (!isContainer(value) || path.length === LOOK_DEPTH) return value;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(value)) {
    const entry = value[key];
    const rest = withoutTexts(entry, [...path, key], texts);
    if (rest === entry) continue;
    copy ??= Array.isArray(value) ? ([...value] as unknown as typeof value) : { ...value };
    copy[key] = rest;
  }
  return copy ?? value;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
