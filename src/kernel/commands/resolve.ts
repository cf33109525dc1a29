import { newelError, type NewelError } from "../../base/errors.ts";
import { title, type Command } from "./command.ts";

/**
 * The command for the first words of a text line. Every word may be shortened; on a tie the alphabetically
 * first command wins, but papa's commands precede newel's, so that `r v` stays `remove values`.
 *
 * @returns the command and the number of words it used
 * @throws NEWEL_E_COMMAND for a word that begins no command
 */
export function findCommand(
  commands: readonly Command[],
  words: readonly string[],
): { readonly command: Command; readonly taken: number } {
  const [first = "", second] = words;
  const usable = commands.filter((command) => !command.jsonOnly);
  const firstWord = expand(first, usable, 0);
  if (firstWord === undefined) throw unknownCommand(first);
  const family = usable.filter((command) => command.words[0] === firstWord);
  const alone = family.find((command) => command.words[1] === undefined);
  if (alone !== undefined) return { command: alone, taken: 1 };
  const secondWord = second === undefined ? undefined : expand(second, family, 1);
  const command = family.find(({ words }) => words[1] === secondWord);
  if (command === undefined) throw wrongSecondWord(firstWord, second, family);
  return { command, taken: 2 };
}

/**
 * The commands of a help request: one by its words, all that begin with one word, or all about a thing (`help
 * process`).
 */
export function findTopic(
  commands: readonly Command[],
  words: readonly string[],
): readonly Command[] {
  const [first = "", second] = words;
  const firstWord = expand(first, commands, 0);
  if (firstWord === undefined) {
    const noun = expand(first, commands, 1);
    if (noun === undefined) throw unknownCommand(first);
    const stem = noun.replace(/e?s$/, "");
    return commands.filter((command) => command.words[1]?.startsWith(stem) === true);
  }
  const family = commands.filter((command) => command.words[0] === firstWord);
  if (second === undefined || family[0]?.words[1] === undefined) return family;
  const secondWord = expand(second, family, 1);
  if (secondWord === undefined) throw wrongSecondWord(firstWord, second, family);
  return family.filter((command) => command.words[1] === secondWord);
}

function expand(prefix: string, commands: readonly Command[], position: 0 | 1): string | undefined {
  if (prefix === "") return undefined;
  const candidates = commands.filter((command) => {
    const whole = command.words[position];
    return command.unabbreviated ? whole === prefix : whole?.startsWith(prefix) === true;
  });
  const papas = candidates.filter((command) => !command.addition);
  const found = (papas.length > 0 ? papas : candidates).map((command) => command.words[position]);
  // A word in full means that command, even where a longer word begins with it.
  const exact = candidates.some((command) => command.words[position] === prefix);
  return exact ? prefix : found.filter((whole) => whole !== undefined).sort()[0];
}

function unknownCommand(word: string): NewelError {
  return newelError("NEWEL_E_COMMAND", { what: `Unknown command "${shortened(word)}"` });
}

function wrongSecondWord(
  first: string,
  second: string | undefined,
  family: readonly Command[],
): NewelError {
  const choices = family.map((command) => command.words[1]).join(", ");
  const what =
    second === undefined
      ? `"${first}" wants one of these after it: ${choices}`
      : `Unknown command "${first} ${shortened(second)}"; after "${first}" may stand: ${choices}`;
  return newelError("NEWEL_E_COMMAND", { what });
}

function shortened(word: string): string {
  return word.length > 60 ? `${word.slice(0, 57)}…` : word;
}

/** The command of a JSON request: its words in full. */
export function commandNamed(commands: readonly Command[], name: string): Command | undefined {
  return commands.find((command) => title(command) === name);
}
