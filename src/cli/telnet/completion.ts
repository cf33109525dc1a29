import { constants } from "node:os";

import type { Command, Field } from "../../kernel/commands/command.ts";
import { SIGNAL } from "../../kernel/commands/kinds.ts";
import { findTopic } from "../../kernel/commands/resolve.ts";
import { COMMANDS } from "../../kernel/commands/table.ts";
import { splitWords } from "../../kernel/commands/text.ts";
import { wireKey } from "../../kernel/commands/wire-key.ts";
import { commandOf } from "./conversation.ts";

/** The kinds of named objects in a kernel. */
export type Noun = "sockets" | "values" | "processes" | "claims";
/** The present names. */
export type NamesOf = (noun: Noun) => Promise<readonly string[]>;

const TYPED = COMMANDS.filter(({ jsonOnly }) => !jsonOnly);
const SIGNALS = Object.keys(constants.signals).map((name) => name.replace(/^SIG/, ""));

/**
 * Completes the last word of a line, from the table of commands and the present names.
 *
 * @returns the whole words, and the beginning of them that was typed
 */
export async function complete(line: string, namesOf: NamesOf): Promise<[string[], string]> {
  const start = /(?:\\ |[^ ])*$/.exec(line)?.index ?? line.length;
  const part = line.slice(start);
  const candidates = await candidatesAfter(splitWords(line.slice(0, start)), part, namesOf);
  const hits = [...new Set(candidates)].filter((word) => word.startsWith(part)).sort();
  const [only] = hits;
  // A word that is complete is left behind; an option waits for its value.
  if (hits.length === 1 && only !== undefined && !/[=.]$/.test(only)) return [[`${only} `], part];
  return [hits, part];
}

async function candidatesAfter(
  before: readonly string[],
  part: string,
  namesOf: NamesOf,
): Promise<readonly string[]> {
  const [first, second] = before;
  if (first === undefined) return TYPED.map(({ words }) => words[0]);
  const command = commandOf(before.join(" "));
  if (command?.words[0] === "help") {
    if (second === undefined) return COMMANDS.map(({ words }) => words[0]);
    return before.length === 2 ? secondWords(second) : [];
  }
  if (command === undefined) return before.length === 1 ? secondWords(first) : [];
  return argumentsOf(command, before.slice(command.words.length), part, namesOf);
}

/** The second words after a first word, which may be abbreviated. */
function secondWords(first: string): string[] {
  if (!TYPED.some(({ words }) => words[0].startsWith(first))) return [];
  return findTopic(TYPED, [first]).flatMap(({ words: [, second] }) => second ?? []);
}

type Entry = readonly [key: string, field: Field<unknown>];

async function argumentsOf(
  command: Command,
  given: readonly string[],
  part: string,
  namesOf: NamesOf,
): Promise<readonly string[]> {
  const fields = Object.entries(command.fields);
  const places = (place: Field<unknown>["place"]): Entry[] =>
    fields.filter(([, field]) => field.place === place);
  const [name, ...later] = places("word");
  if (name !== undefined && given.length === 0) return valuesOf(command, name, namesOf);
  const words = name === undefined ? given : given.slice(1);
  const options = words.filter((word) => isOption(word));
  const position = words.length - options.length;
  const next = later[position] ?? places("rest")[0];
  const values = next === undefined ? [] : await valuesOf(command, next, namesOf);
  if (name === undefined || position > 0) return values;
  return [...values, ...optionsOf(places("option"), options, part)];
}

function isOption(word: string): boolean {
  return word.includes("=") || word.startsWith("--");
}

/** The options that were not said yet; behind a `=` the values there are. */
function optionsOf(options: readonly Entry[], said: readonly string[], part: string): string[] {
  return options.flatMap(([key, { kind }]) => {
    const name = wireKey(key);
    if (kind.keyed === true) return [`${name}.`];
    if (said.some((word) => word.startsWith(`${name}=`))) return [];
    const choices = choicesOf(kind.hint);
    return part.startsWith(`${name}=`) && choices.length > 0
      ? choices.map((choice) => `${name}=${choice}`)
      : [`${name}=`];
  });
}

/** The choices that help shows as `a|b`. */
function choicesOf(hint: string): readonly string[] {
  return hint.includes("|") ? hint.split("|") : [];
}

/** Which names a command's `NAME` may be, when its second word does not say so. */
const NOUNS: Readonly<Record<string, Noun>> = {
  get: "values",
  set: "values",
  signal: "processes",
  claim: "claims",
  release: "claims",
};
const LISTED: readonly string[] = ["sockets", "values", "processes", "claims"];

async function valuesOf(
  command: Command,
  [key, { kind }]: Entry,
  namesOf: NamesOf,
): Promise<readonly string[]> {
  if (kind === SIGNAL) return SIGNALS;
  if (key === "name" || key === "names") {
    const [verb, second = ""] = command.words;
    const noun = LISTED.includes(second) ? (second as Noun) : NOUNS[verb];
    return noun === undefined ? [] : (await namesOf(noun)).map(quoted);
  }
  // The arguments of a program may name sockets.
  if (key === "args")
    return (await namesOf("sockets")).flatMap((name) => [
      `$(socket.${name}.fileno)`,
      `$(socket.${name}.port)`,
    ]);
  return choicesOf(kind.hint);
}

function quoted(name: string): string {
  return name.replaceAll(" ", "\\ ");
}
