/**
 * Stored text is JSON that newel or BullMQ wrote, but another program, an interrupted repair or a failing disk may have
 * changed it since. Each reader parses it here, and gets `undefined` for text that is no JSON or has another shape, so that
 * one damaged row neither throws nor hides the others.
 */

/** The value in an object, because `null` and `false` are values too. */
export function parseStored(text: unknown): { readonly value: unknown } | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    // The caller decides about the damage.
    return undefined;
  }
}

export function storedObject(text: unknown): Readonly<Record<string, unknown>> | undefined {
  const value = parseStored(text)?.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

export function storedList(text: unknown): readonly unknown[] | undefined {
  const value = parseStored(text)?.value;
  return Array.isArray(value) ? value : undefined;
}

/** An object of strings. */
export function storedTexts(text: unknown): Record<string, string> | undefined {
  const entries = Object.entries(storedObject(text) ?? { damaged: undefined });
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return texts.length === entries.length ? Object.fromEntries(texts) : undefined;
}

/** A list of whole numbers of at least 0. */
export function storedCounts(text: unknown): number[] | undefined {
  const list = storedList(text);
  return list?.every((each): each is number => Number.isSafeInteger(each) && Number(each) >= 0)
    ? [...list]
    : undefined;
}
