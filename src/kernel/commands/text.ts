import { newelError, type NewelError } from "../../base/errors.ts";
import { title, type Command, type Field } from "./command.ts";
import { wireKey } from "./wire-key.ts";
import { FLAG } from "./kinds.ts";
import { findCommand } from "./resolve.ts";

/** A command and its input, as both parsers return it. */
export interface Request {
  readonly command: Command;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The most words one line may have. */
export const WORDS_LIMIT = 16_384;

/**
 * Reads one line of papa's grammar.
 *
 * @throws NEWEL_E_COMMAND, NEWEL_E_BAD_REQUEST, NEWEL_E_NAME, NEWEL_E_LIMIT
 */
export function parseText(commands: readonly Command[], line: string): Request {
  const words = splitWords(line);
  const { command, taken } = findCommand(commands, words);
  return { command, input: readFields(command, words.slice(taken)) };
}

/**
 * The words of a line: separated by spaces; a backslash before a space makes it part of the word.
 * papa's client wraps a word that ends in a backslash in double quotes, or it would be continued.
 *
 * @throws NEWEL_E_LIMIT
 */
export function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let start = 0;
  while (start < line.length) {
    const end = wordEnd(line, start);
    if (end > start) words.push(unwrapped(line.slice(start, end).replaceAll("\\ ", " ")));
    if (words.length > WORDS_LIMIT)
      throw newelError("NEWEL_E_LIMIT", { what: "a line", limit: WORDS_LIMIT, unit: "words" });
    start = end + 1;
  }
  return words;
}

/** The end of the word that begins at `start`: a space without a backslash before it. */
function wordEnd(line: string, start: number): number {
  let end = line.indexOf(" ", start);
  while (end > start && line[end - 1] === "\\") end = line.indexOf(" ", end + 1);
  return end === -1 ? line.length : end;
}

function unwrapped(word: string): string {
  return word.length > 2 && word.startsWith('"') && word.endsWith('\\"') ? word.slice(1, -1) : word;
}

function readFields(command: Command, words: readonly string[]): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  const fields = Object.entries(command.fields);
  const left = [...words];
  let position = 0;
  for (const [key, field] of fields.filter(([, field]) => field.place === "word")) {
    const next = left[0];
    if (next === undefined) {
      if (field.required) throw missing(command, key, field);
      break;
    }
    left.shift();
    input[key] = field.kind.fromWords([next], wireKey(key));
    if (position === 0) readOptions(command, left, input);
    position += 1;
  }
  readRest(command, left, input);
  return input;
}

type Options = ReadonlyMap<string, readonly [string, Field<unknown>]>;

/** Reads the `key=value` words right after the name, and removes them from `words`. */
function readOptions(command: Command, words: string[], input: Record<string, unknown>): void {
  const options: Options = new Map(
    Object.entries(command.fields)
      .filter(([, field]) => field.place === "option")
      .map(([key, field]) => [wireKey(key), [key, field]]),
  );
  if (options.size === 0) return;
  const given = new Map<string, string[]>();
  for (let word = words[0]; word !== undefined; word = words[0]) {
    const option = splitOption(word, options);
    if (option === undefined) break;
    if (!options.has(option.name)) throw unknownOption(command, option.name, [...options.keys()]);
    const values = given.get(option.name) ?? [];
    values.push(option.value);
    given.set(option.name, values);
    words.shift();
  }
  for (const [name, values] of given) {
    const [key, field] = options.get(name) ?? [];
    if (key === undefined || field === undefined) continue;
    // The last value of a repeated key counts; a keyed option takes each of its entries.
    const words = field.kind.keyed === true ? values : values.slice(-1);
    input[key] = field.kind.fromWords(words, name);
  }
}

/** An option word's name and value; `--force` is `force=1`, and `env.KEY=VALUE` is env's `KEY=VALUE`. */
function splitOption(
  word: string,
  options: Options,
): { readonly name: string; readonly value: string } | undefined {
  if (word.startsWith("--") && options.get(word.slice(2))?.[1].kind === FLAG)
    return { name: word.slice(2), value: "1" };
  const equals = word.indexOf("=");
  if (equals === -1) return undefined;
  const key = word.slice(0, equals);
  const value = unquoted(word.slice(equals + 1));
  const name = key.replace(/\..*$/s, "");
  if (options.get(name)?.[1].kind.keyed !== true) return { name: key, value };
  // `env=…` without a key is not an option.
  return name === key
    ? { name: `${key}=`, value }
    : { name, value: `${key.slice(name.length + 1)}=${value}` };
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"')
    ? value.slice(1, -1)
    : value;
}

function readRest(
  command: Command,
  words: readonly string[],
  input: Record<string, unknown>,
): void {
  const [key, field] =
    Object.entries(command.fields).find(([, field]) => field.place === "rest") ?? [];
  if (key === undefined || field === undefined) {
    if (words[0] === undefined) return;
    throw complain(`${title(command)} does not take ${JSON.stringify(words[0].slice(0, 60))}`);
  }
  if (words.length > 0) input[key] = field.kind.fromWords(words, wireKey(key));
  else if (field.required) throw missing(command, key, field);
}

function missing(command: Command, key: string, field: Field<unknown>): NewelError {
  const name = wireKey(key).toUpperCase();
  return complain(`${title(command)} wants ${name}: ${field.about}`);
}

function unknownOption(command: Command, name: string, known: readonly string[]): NewelError {
  return complain(
    `${title(command)} has no option ${JSON.stringify(name.slice(0, 60))}; it has ${known.join(", ")}`,
  );
}

function complain(what: string): NewelError {
  return newelError("NEWEL_E_COMMAND", { what });
}
