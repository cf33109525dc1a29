import { newelError } from "../../base/errors.ts";
import { tryDurationMs } from "../../base/units.ts";
import type { JobFilter } from "./operations/search.ts";
import { LISTS } from "./states.ts";

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string" && !value.includes("\0");
const isTime: Check = (value) => typeof value === "number" && Number.isFinite(value);
const isPlain: Check = (value) =>
  value === null || ["string", "boolean"].includes(typeof value) || isTime(value);
const isDuration: Check = (value) =>
  typeof value === "string" && tryDurationMs(value) !== undefined;

/** The most fields of the data in one filter: SQLite bounds the depth of a condition. */
const MOST_FIELDS = 100;

/** The conditions of a filter, each with its check and a form to write. */
const CONDITIONS: Readonly<Record<keyof JobFilter, readonly [Check, string]>> = {
  queue: [isText, 'a qualified name, such as "bull:mails"'],
  name: [isText, "a text"],
  id: [isText, "a text"],
  whose: [isText, "a text"],
  error: [isText, "a text"],
  addedFrom: [isTime, "milliseconds since 1970"],
  addedBefore: [isTime, "milliseconds since 1970"],
  finishedFrom: [isTime, "milliseconds since 1970"],
  finishedBefore: [isTime, "milliseconds since 1970"],
  states: [
    (value) => Array.isArray(value) && value.every((state) => LISTS.has(state as string)),
    `a list of ${[...LISTS.keys()].join(", ")}`,
  ],
  data: [isData, `an object of at most ${MOST_FIELDS} texts, numbers, booleans and null`],
};

/**
 * Checks a filter. An unknown name is refused, because a misspelt condition would select, and remove, all jobs.
 *
 * @param withAge - whether `olderThan` is a condition too
 * @throws NEWEL_E_STORE_ARGUMENT
 */
export function checkFilter(filter: unknown, withAge = false): void {
  if (typeof filter !== "object" || filter === null || Array.isArray(filter))
    throw refused("The filter", "it is not an object of conditions");
  for (const [name, value] of Object.entries(filter)) {
    const [check, write] = conditionOf(name, withAge);
    // Only `prune` gets here with an age; there "undefined" must not mean all jobs.
    if (value === undefined ? withAge : !check(value))
      throw refused(`The condition "${name}" of the filter`, `it is not ${write}`);
  }
}

function conditionOf(name: string, withAge: boolean): readonly [Check, string] {
  if (withAge && name === "olderThan") return [isDuration, 'a duration, such as "7d"'];
  const known: readonly string[] = Object.keys(CONDITIONS);
  if (known.includes(name)) return CONDITIONS[name as keyof JobFilter];
  const names = [...known, ...(withAge ? ["olderThan"] : [])].join(", ");
  throw refused(`The condition "${name}" of the filter`, `it is none of ${names}`);
}

function isData(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = Object.entries(value);
  return (
    fields.length <= MOST_FIELDS && fields.every(([path, each]) => isText(path) && isPlain(each))
  );
}

/**
 * Checks the page of a search.
 *
 * @throws NEWEL_E_STORE_ARGUMENT
 */
export function checkPage({
  limit,
  cursor,
}: {
  readonly limit: unknown;
  readonly cursor: unknown;
}): void {
  if (!isTime(limit)) throw refused("The limit of the search", "it is no number");
  if (cursor !== undefined && cursor !== null && !Number.isSafeInteger(cursor))
    throw refused("The cursor of the search", "it is not that of another search");
}

function refused(what: string, why: string): Error {
  return newelError("NEWEL_E_STORE_ARGUMENT", { what, why });
}
