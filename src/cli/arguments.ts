import { parseArgs } from "node:util";

import { newelError } from "../base/errors.ts";
import { closest } from "../base/names.ts";
import { durationMs } from "../base/units.ts";
import { type Arguments, type Command, COMMON_OPTIONS, type Options } from "./command.ts";

/**
 * Reads the words behind a command's name.
 *
 * @throws NEWEL_E_USAGE for an option it does not have, a value too many or missing, or too many or
 * too few words
 */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options: Options = { ...command.options, ...COMMON_OPTIONS };
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value, short }]) => [
        name,
        {
          type: value === undefined ? "boolean" : "string",
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
  });
  const words: string[] = [];
  let end: number | undefined;
  const values = new Map<string, string | true>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind === "option-terminator") end = words.length;
    if (token.kind !== "option") continue;
    const { name, rawName } = token;
    values.set(name, readValue(command, options, { name, rawName, value: token.value }));
  }
  if (!values.has("help")) checkCount(command, words);
  return {
    words,
    command: end === undefined ? [] : words.slice(end),
    has: (name) => values.has(name),
    text(name) {
      const value = values.get(name);
      return value === true ? undefined : value;
    },
  };
}

interface Given {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

function readValue(command: Command, options: Options, given: Given): string | true {
  const { name, rawName, value } = given;
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) throw unknownOption(command, options, rawName);
  if (option.value === undefined) {
    if (value === undefined) return true;
    throw usageError(`${rawName} takes no value, so "${value}" has no place there.`);
  }
  if (value === undefined || (value === "" && option.blank !== true))
    throw usageError(`${rawName} needs a value: ${rawName} ${option.value}.`);
  return value;
}

function unknownOption(command: Command, options: Options, rawName: string): Error {
  const shown = Object.keys(options).filter((name) => options[name]?.hidden !== true);
  const near = rawName.startsWith("--") ? closest(rawName.slice(2), shown) : undefined;
  const hint = near === undefined ? "" : ` Did you mean --${near}?`;
  return usageError(`"newel ${command.name}" has no option ${rawName}.${hint}`);
}

function checkCount(command: Command, words: readonly string[]): void {
  const { min = 0, max = 0 } = command.words ?? {};
  const form = `newel ${command.name} ${command.usage}`;
  if (words.length < min) throw usageError(`Something is missing: ${form}`);
  const surplus = words[max];
  if (surplus !== undefined) throw usageError(`"${surplus}" is one word too many: ${form}`);
}

/** `--timeout` in milliseconds, if it was given. */
export function timeoutOf(args: Arguments): number | undefined {
  const text = args.text("timeout");
  return text === undefined ? undefined : durationMs(text, "--timeout");
}

/**
 * `--port`.
 *
 * @param least - 0 where the operating system may choose
 * @throws NEWEL_E_USAGE
 */
export function parsePort(text: string, least: 0 | 1): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= least && port <= 65_535) return port;
  throw usageError(`--port ${text} is no port: it is a number from ${least} to 65535.`);
}

/** NEWEL_E_USAGE. */
export function usageError(what: string): Error {
  return newelError("NEWEL_E_USAGE", { what });
}
