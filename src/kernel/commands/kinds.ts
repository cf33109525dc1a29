import { constants } from "node:os";

import { newelError, type NewelError } from "../../base/errors.ts";
import { nameProblem } from "../../base/names.ts";

/**
 * The type of a command's field, read from the words of a text line and from a JSON value. Both give the same
 * value, so a command cannot distinguish the two.
 */
export interface Kind<T> {
  /** How help shows the value: `N`, `1|0`. */
  readonly hint: string;
  /** Given as `NAME.KEY=VALUE`, once for each key; `fromWords` gets `KEY=VALUE` words. */
  readonly keyed?: true;
  /** Reads one word for most kinds; for lists and maps, all the words given. */
  fromWords(words: readonly string[], label: string): T;
  fromJson(value: unknown, label: string): T;
}

/** The refusal of a request, naming the error in it. */
export function refuse(why: string): NewelError {
  return newelError("NEWEL_E_BAD_REQUEST", { why });
}

interface OneWord<T> {
  readonly hint: string;
  /** The expected value, for the refusal. */
  readonly wanted: string;
  /** Reads a word; returns `undefined` when it is invalid. May throw a refusal with its own reason. */
  readonly read: (word: string, label: string) => T | undefined;
  /** Reads a JSON value other than a text; returns `undefined` when it is invalid. */
  readonly plain?: (value: unknown) => T | undefined;
}

/** A kind whose text form is one word, read by the same function as a JSON text. */
function oneWord<T>({ hint, wanted, read, plain }: OneWord<T>): Kind<T> {
  const must = (value: unknown, found: T | undefined, label: string): T => {
    if (found === undefined) throw wrongType(label, wanted, value);
    return found;
  };
  return {
    hint,
    fromWords: ([word = ""], label) => must(word, read(word, label), label),
    fromJson: (value, label) =>
      must(value, typeof value === "string" ? read(value, label) : plain?.(value), label),
  };
}

function wrongType(label: string, hint: string, value: unknown): NewelError {
  return refuse(`${label} must be ${hint}, not ${shown(value)}`);
}

/** A value as an error shows it: short, on one line. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Refuses a NUL, because the operating system ends strings there and the text would be cut. */
function withoutNul(text: string, label: string): string {
  if (text.includes("\0")) throw refuse(`${label} has a NUL character`);
  return text;
}

export const TEXT: Kind<string> = oneWord({ hint: "text", wanted: "text", read: withoutNul });

/** The name of a new process, socket, claim or value. */
export const NEW_NAME: Kind<string> = oneWord({
  hint: "a name",
  wanted: "a name",
  read: (word, label) => {
    const why = nameProblem(word);
    if (why === undefined) return word;
    throw newelError("NEWEL_E_NAME", { what: `The ${label}`, value: shown(word), why });
  },
});

export const FLAG: Kind<boolean> = oneWord({
  hint: "1|0",
  wanted: "1 or 0",
  read: (word) =>
    /^(1|true|yes|on)$/i.test(word) ? true : /^(0|false|no|off)$/i.test(word) ? false : undefined,
  plain: (value) =>
    typeof value === "boolean" ? value : value === 1 ? true : value === 0 ? false : undefined,
});

/** A whole number within bounds, both included. */
export function count(most: number = Number.MAX_SAFE_INTEGER, least = 0): Kind<number> {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  const checked = (value: number, label: string): number => {
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw wrongType(label, `a whole number ${bounds}`, value);
  };
  return {
    hint: "N",
    fromWords: ([word = ""], label) => {
      if (!/^\d{1,16}$/.test(word)) throw wrongType(label, `a whole number ${bounds}`, word);
      return checked(Number(word), label);
    },
    fromJson: (value, label) => {
      if (typeof value !== "number") throw wrongType(label, `a whole number ${bounds}`, value);
      return checked(value, label);
    },
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `4096`, `64k`, `2m`, `1g`: powers of 1024, as in papa. */
export const SIZE: Kind<number> = oneWord({
  hint: "SIZE",
  wanted: "a size such as 0, 4096, 64k, 2m or 1g",
  read: (word) => {
    const match = /^(\d{1,15})([kmg]?)$/i.exec(word);
    const bytes = Number(match?.[1]) * (SIZE_UNITS[(match?.[2] ?? "").toLowerCase()] ?? 1);
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  },
  plain: (value) => within(value, Number.MAX_SAFE_INTEGER),
});

/** Decimal, as papa's client sends it; with a leading 0, octal. */
export const MASK: Kind<number> = oneWord({
  hint: "MASK",
  wanted: "a file mode mask such as 077 (octal) or 63",
  read: (word) => {
    if (/^0o?[0-7]{1,4}$/.test(word))
      return within(Number.parseInt(word.replace("o", ""), 8), 0o777);
    return /^\d{1,3}$/.test(word) ? within(Number(word), 0o777) : undefined;
  },
  plain: (value) => within(value, 0o777),
});

/** One of a few words. `aliases` are the names that other programs use. */
export function choice<const Words extends readonly string[]>(
  words: Words,
  aliases: Readonly<Record<string, Words[number]>> = {},
): Kind<Words[number]> {
  return oneWord<Words[number]>({
    hint: words.join("|"),
    wanted: `one of ${words.join(", ")}`,
    read: (word) => {
      const lower = word.toLowerCase();
      const alias = Object.hasOwn(aliases, lower) ? aliases[lower] : undefined;
      return words.find((known) => known === lower) ?? alias;
    },
  });
}

/** The system takes the last number for "no change". */
export const ID_MOST: number = 2 ** 32 - 2;

/** A user or group, by number or name. */
export const ACCOUNT: Kind<number | string> = oneWord<number | string>({
  hint: "number or name",
  wanted: `a name or a number up to ${ID_MOST}`,
  read: (word, label) => {
    if (/^\d+$/.test(word)) return within(Number(word), ID_MOST);
    return word === "" ? undefined : withoutNul(word, label);
  },
  plain: (value) => within(value, ID_MOST),
});

/** A limit of the operating system. */
export const LIMIT_VALUE: Kind<number | "unlimited"> = oneWord<number | "unlimited">({
  hint: "N",
  wanted: 'a whole number or "unlimited"',
  read: (word) =>
    word === "unlimited"
      ? word
      : /^\d{1,16}$/.test(word)
        ? within(Number(word), Number.MAX_SAFE_INTEGER)
        : undefined,
  plain: (value) => within(value, Number.MAX_SAFE_INTEGER),
});

/** Added to a priority, as by nice(1). */
export const NICE: Kind<number> = oneWord({
  hint: "N",
  wanted: "a whole number from -20 to 19",
  read: (word) => (/^-?\d{1,2}$/.test(word) ? niceOf(Number(word)) : undefined),
  plain: (value) => (typeof value === "number" ? niceOf(value) : undefined),
});

function niceOf(value: number): number | undefined {
  return Number.isInteger(value) && value >= -20 && value <= 19 ? value : undefined;
}

/** A signal by name, with or without SIG, or by number. Gives `SIGTERM` or the number. */
export const SIGNAL: Kind<string | number> = oneWord<string | number>({
  hint: "SIGNAL",
  wanted: "a signal such as TERM, HUP or 15 (0 to 64)",
  read: (word) => {
    if (/^\d{1,2}$/.test(word)) return within(Number(word), 64);
    const upper = word.toUpperCase();
    const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
    return Object.hasOwn(constants.signals, name) ? name : undefined;
  },
  plain: (value) => within(value, 64),
});

/** The value, when it is a whole number from 0 to `most`. */
function within(value: unknown, most: number): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : undefined;
}

/** Where stderr goes: `1`, `0` or into stdout. */
export const STDERR_MODE: Kind<boolean | "stdout"> = {
  hint: "1|0|stdout",
  fromWords: (words, label) => (words[0] === "stdout" ? "stdout" : FLAG.fromWords(words, label)),
  fromJson: (value, label) => (value === "stdout" ? "stdout" : FLAG.fromJson(value, label)),
};

/** The remaining words: in JSON a list of strings. */
export const WORDS: Kind<readonly string[]> = {
  hint: "WORD…",
  fromWords: (words, label) => words.map((word) => withoutNul(word, label)),
  fromJson: (value, label) => {
    if (!Array.isArray(value)) throw wrongType(label, "a list of strings", value);
    return value.map((entry: unknown, index) => TEXT.fromJson(entry, `${label}[${index}]`));
  },
};

/** A list in one word, separated by commas: in JSON a list of strings. */
export const NAMES: Kind<readonly string[]> = {
  hint: "NAME,…",
  fromWords: ([word = ""], label) => WORDS.fromWords(word === "" ? [] : word.split(","), label),
  fromJson: (value, label) => WORDS.fromJson(value, label),
};

/** The remaining words as one text, joined by spaces: in JSON any string. */
export const SENTENCE: Kind<string> = {
  hint: "WORD…",
  fromWords: (words) => words.join(" "),
  fromJson: (value, label) => {
    if (typeof value !== "string") throw wrongType(label, "text", value);
    return value;
  },
};

/** `LABEL.KEY=VALUE` words, passed on as `KEY=VALUE`: in JSON an object. */
export function record<T>(each: Kind<T>, keys: RegExp): Kind<Readonly<Record<string, T>>> {
  const checkedKey = (key: string, label: string): string => {
    if (keys.test(key)) return key;
    throw refuse(`${label} has the key ${shown(key)}, which cannot be one`);
  };
  return {
    hint: each.hint,
    keyed: true,
    fromWords: (words, label) =>
      Object.fromEntries(
        words.map((word) => {
          const split = word.indexOf("=");
          const key = checkedKey(word.slice(0, split), label);
          return [key, each.fromWords([word.slice(split + 1)], `${label}.${key}`)];
        }),
      ),
    fromJson: (value, label) => {
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw wrongType(label, "an object", value);
      return Object.fromEntries(
        Object.entries(value).map(([key, entry]: [string, unknown]) => [
          checkedKey(key, label),
          each.fromJson(entry, `${label}.${key}`),
        ]),
      );
    },
  };
}

/** A position in each output stream: JSON only, `{"out":0,"err":0}`. */
export const POSITION: Kind<{ readonly out?: number; readonly err?: number }> = record(
  count(),
  /^(out|err)$/,
);
