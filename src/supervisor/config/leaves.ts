import { constants } from "node:os";
import * as v from "valibot";

import { closest } from "../../base/names.ts";
import { type Duration, type Size, tryDurationMs, trySizeBytes } from "../../base/units.ts";
import { anyOf, quoted } from "./problems.ts";
import { FOREIGN_VALUES } from "./words.ts";

// Each schema's message follows `PATH is VALUE; ` in the sentence.

/** Timers of Node.js count milliseconds in 31 bits: longer ones would fire at once. */
const DAY_MS = 86_400_000;
const LONGEST_DAYS = 24;

export const text = (want: string): v.GenericSchema<unknown, string> =>
  v.custom<string>((value) => typeof value === "string" && /^[^\0]+$/.test(value), want);

export const texts = (want: string, each: string): v.GenericSchema<unknown, readonly string[]> =>
  v.array(
    v.custom<string>(
      (value) => typeof value === "string" && !value.includes("\0"),
      (issue) => (typeof issue.input === "number" ? `write it in quotes: "${issue.input}".` : each),
    ),
    want,
  );

export function integer(min: number, max: number): v.GenericSchema<unknown, number> {
  return v.custom<number>(
    (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
    (issue) =>
      typeof issue.input === "string" && /^\d+$/.test(issue.input)
        ? `write the number without quotes: ${Number(issue.input)}.`
        : `must be a whole number from ${min} to ${max}.`,
  );
}

export function oneOf<const Word extends string>(
  words: readonly Word[],
): v.GenericSchema<unknown, Word> {
  return v.picklist(words, (issue) => {
    const given = typeof issue.input === "string" ? issue.input : "";
    const foreign = Object.hasOwn(FOREIGN_VALUES, given) ? FOREIGN_VALUES[given] : undefined;
    const meant =
      words.find((word) => word === foreign) ??
      closest(given, words) ??
      words.find((word) => given !== "" && word.startsWith(given));
    const hint = meant === undefined ? "" : ` Did you mean ${quoted(meant)}?`;
    return `use ${anyOf(words)}.${hint}`;
  });
}

const DURATION = 'must be a duration such as "500ms", "10s", "2m".';

/** @param longestDays - default: the longest wait that a timer of Node.js can make */
export function duration(
  minMs: number,
  longestDays: number = LONGEST_DAYS,
): v.GenericSchema<unknown, Duration> {
  return v.pipe(
    v.custom<Duration>(
      (value) => typeof value === "string" && tryDurationMs(value) !== undefined,
      (issue) => DURATION + durationHint(issue.input),
    ),
    v.check((value) => (tryDurationMs(value) ?? 0) >= minMs, `must be at least "${minMs}ms".`),
    v.check(
      (value) => (tryDurationMs(value) ?? 0) <= longestDays * DAY_MS,
      `must be at most "${longestDays}d".`,
    ),
  );
}

function durationHint(input: unknown): string {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|mil|s|m|h|d)[a-z]*\s*$/i.exec(String(input));
  if (typeof input !== "string" || match === null) return "";
  const word = (match[2] ?? "").toLowerCase();
  return ` Did you mean "${match[1]}${word === "mil" ? "ms" : word}"?`;
}

export const size: v.GenericSchema<unknown, Size> = v.custom<Size>(
  (value) => typeof value === "string" && trySizeBytes(value) !== undefined,
  (issue) => {
    const match = /^\s*(\d+(?:\.\d+)?)\s*([kmg])(i?)[a-z]*\s*$/i.exec(String(issue.input));
    const unit = match?.[2]?.toUpperCase() ?? "";
    const small = match?.[3] === "" && unit === "K" ? "k" : unit;
    const hint =
      match === null ? "" : ` Did you mean "${match[1]}${small}${match[3] === "" ? "" : "i"}B"?`;
    return `must be a size such as "64kB", "512MB", "1GB".${hint}`;
  },
);

export const umask: v.GenericSchema<unknown, string> = v.custom<string>(
  (value) => typeof value === "string" && /^0?[0-7]{3}$/.test(value),
  'must be three octal digits in quotes, such as "022".',
);

export const flag: v.GenericSchema<unknown, boolean> = v.boolean("must be true or false.");

const SIGNALS = Object.keys(constants.signals);

export const signal: v.GenericSchema<unknown, `SIG${string}`> = v.custom<`SIG${string}`>(
  (value) => typeof value === "string" && SIGNALS.includes(value),
  (issue) => {
    const given = String(issue.input).toUpperCase();
    const meant = SIGNALS.includes(`SIG${given}`) ? `SIG${given}` : closest(given, SIGNALS);
    const hint = meant === undefined ? "" : ` Did you mean ${quoted(meant)}?`;
    return `must be the name of a signal, such as "SIGTERM".${hint}`;
  },
);

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const record = (want: string): v.GenericSchema<unknown, Record<string, unknown>> =>
  v.custom<Record<string, unknown>>(isRecord, want);
