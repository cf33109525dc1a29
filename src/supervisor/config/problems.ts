import { relative } from "node:path";

import { counted } from "../../base/counted.ts";
import { newelError, type NewelError } from "../../base/errors.ts";

/** A step into the configuration: a key, or a place in a list. */
export type Key = string | number;

/** A problem of a value, before its place in the file is known. */
export interface Finding {
  readonly keys: readonly Key[];
  /** The path to show, where it is another one than that of the place. */
  readonly label?: readonly Key[];
  /** The rest of the sentence after the path: `is "allways"; use "always" or "never".` */
  readonly says: string;
  /** The file of the problem, if it is another file, such as a .env file. */
  readonly elsewhere?: { readonly file: string; readonly line: number };
}

/** A problem of the configuration, in the form in which it is reported. */
export interface Problem {
  /** Absolute. */
  readonly file: string;
  readonly line?: number;
  /** `services.web.replicas`; empty when the problem is with the file as a whole. */
  readonly path: string;
  /** A whole sentence: the problem and its correction. No value of an environment. */
  readonly message: string;
}

/** Whether another finding already reports the same value, or a value that contains it. */
export function isWithin({ keys }: Finding, others: readonly Finding[]): boolean {
  return others.some((finding) => {
    const shorter = Math.min(keys.length, finding.keys.length);
    return finding.keys.slice(0, shorter).every((key, index) => key === keys[index]);
  });
}

/** Limits the list: a thousand wrong elements would hide the rest. */
const MOST_LINES = 100;

/** NEWEL_E_CONFIG with one line for each problem, files relative to `cwd`. */
export function configError(problems: readonly Problem[], cwd: string): NewelError {
  const lines = problems.map(({ file, line, message }) => {
    const place = line === undefined ? "" : `:${line}`;
    return `${shownFile(file, cwd)}${place}  ${message}`;
  });
  const distinct = [...new Set(lines)];
  const shown = distinct.slice(0, MOST_LINES);
  const more = distinct.length - shown.length;
  if (more > 0) shown.push(`and ${counted(more, "more problem")}.`);
  return newelError("NEWEL_E_CONFIG", { problems: shown.join("\n") });
}

/** A file for messages: relative to the caller's directory, if it is below or near. */
export function shownFile(file: string, cwd: string): string {
  const near = relative(cwd, file);
  return near === "" || near.startsWith("../../..") ? file : near;
}

/** `services.web.args[1]`; a key with other characters is quoted. */
export function pathText(keys: readonly Key[]): string {
  return keys
    .map((key, index) => {
      if (typeof key === "number") return `[${key}]`;
      if (!/^[\w-]+$/.test(key)) return `[${quoted(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join("");
}

/** Enough to recognize a value, or to show a path. */
const SHOWN_CHARACTERS = 120;

/** A text in quotes, without control characters. */
export function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** The text between the quotes. */
export function escaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
      (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
    );
}

/**
 * Shortens every long text in quotes. Only a finished sentence is shortened: half of a secret would
 * not be recognized as one.
 */
export function shortened(sentence: string): string {
  return sentence.replaceAll(/"(?:[^"\\]|\\.)*"/g, (text) =>
    text.length > SHOWN_CHARACTERS + 2 ? `${text.slice(0, SHOWN_CHARACTERS + 1)}…"` : text,
  );
}

/** `"a", "b" or "c"` */
export function anyOf(words: readonly string[]): string {
  const all = words.map((word) => quoted(word));
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;
}

/** A value in a sentence: `"allways"`, `15`, `an object`. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return kindOf(value);
}

/** The kind of a value, without the value. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "a text";
  return `a ${typeof value}`;
}
