import { newelError } from "./errors.ts";

/** The longest name of a socket, value, process, service or claim, in characters. */
const NAME_LIMIT = 200;

/** Why a word cannot be a name, or `undefined` when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.length > NAME_LIMIT) return `it has ${name.length} characters, more than ${NAME_LIMIT}`;
  if (/[\s\p{Cc}]/u.test(name)) return "it has a space or control character";
  if (name.startsWith("-") || name.startsWith("{")) return `it starts with "${name[0]}"`;
  if (name.endsWith("*")) return 'a "*" at the end makes it a pattern';
  return undefined;
}

/**
 * Checks a name.
 *
 * @throws NEWEL_E_NAME when it cannot be used
 */
export function checkName(name: string, what = "The name"): string {
  const why = nameProblem(name);
  if (why !== undefined)
    throw newelError("NEWEL_E_NAME", { what, value: JSON.stringify(name), why });
  return name;
}

/** Whether a pattern (a name, or a prefix ending in `*`) covers a name. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/**
 * A name as a file name: letters, digits, `-`, `_` and inner dots stay, and every other character becomes
 * `%XX` of its UTF-8 bytes, so that no name can leave its directory or collide with another.
 */
export function toFileName(name: string): string {
  return [...Buffer.from(name, "utf8")]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      const plain = /[A-Za-z0-9_-]/.test(character) || (character === "." && index > 0);
      return plain ? character : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
    })
    .join("");
}

/** The name from which {@link toFileName} made a file name; a part that was cut off is missing. */
export function fromFileName(file: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < file.length; at += 1) {
    const code = file[at] === "%" ? Number.parseInt(file.slice(at + 1, at + 3), 16) : Number.NaN;
    if (Number.isNaN(code)) bytes.push(file.charCodeAt(at));
    else {
      bytes.push(code);
      at += 2;
    }
  }
  return Buffer.from(bytes).toString("utf8");
}

/** The closest of `known` to a mistyped word, if one is close enough to suggest. */
export function closest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Counts a swapped pair of letters, a common typing error, as one edit (Damerau). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1);
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
