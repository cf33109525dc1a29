/** The words of a command line. */
export interface ShellWords {
  readonly words: readonly string[];
  /** Whether only a shell can execute the line: it has a variable, a pipe, a pattern or the like. */
  readonly needsShell: boolean;
}

/** Splits a command line as a POSIX shell does; an open quote ends with the line. */
export function splitShell(line: string): ShellWords {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  let needsShell = false;
  const text = line.trim();
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (quote === undefined && /\s/.test(character)) {
      if (character === "\n") needsShell = true;
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (quote === undefined && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else if (character === quote) quote = undefined;
    else if (character === "\\" && quote !== "'") {
      at += 1;
      word = (word ?? "") + (text[at] ?? "");
    } else {
      if (isSpecial(character, quote, word)) needsShell = true;
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  if (/^\w+=/.test(words[0] ?? "")) needsShell = true;
  return { words, needsShell };
}

function isSpecial(
  character: string,
  quote: string | undefined,
  word: string | undefined,
): boolean {
  if (quote === "'") return false;
  if (character === "$" || character === "`") return true;
  if (quote === '"') return false;
  return "|&;<>()*?[{!".includes(character) || (word === undefined && "~#".includes(character));
}
