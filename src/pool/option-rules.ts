import { newelError } from "../base/errors.ts";
import { closest } from "../base/names.ts";
import { isChannelEnd } from "./transferable.ts";

/** Returns the reason why a value is invalid, or `undefined` for a valid value. */
type Rule = (value: unknown) => string | undefined;

/** The options of one call, by name. */
export type Rules = Readonly<Record<string, Rule>>;

/** A whole number of at least the given minimum. */
export const whole =
  (atLeast: number): Rule =>
  (value) =>
    Number.isInteger(value) && Number(value) >= atLeast
      ? undefined
      : `it has to be a whole number of at least ${atLeast}`;

/** A number of bytes of at least the given minimum; `Infinity` means no limit. */
export const bytes =
  (atLeast: number): Rule =>
  (value) =>
    value === Number.POSITIVE_INFINITY ? undefined : whole(atLeast)(value);

/** Milliseconds of at least the given minimum; `Infinity` means no limit. */
export const duration =
  (atLeast: number): Rule =>
  (value) =>
    typeof value === "number" && value >= atLeast
      ? undefined
      : `it has to be a number of milliseconds of at least ${atLeast}, or Infinity`;

export const finite: Rule = (value) =>
  Number.isFinite(value) ? undefined : "it has to be a finite number";

export const flag: Rule = (value) =>
  typeof value === "boolean" ? undefined : "it has to be true or false";

export const text: Rule = (value) =>
  typeof value === "string" && value !== "" ? undefined : "it has to be a text that is not empty";

export const callback: Rule = (value) =>
  typeof value === "function" ? undefined : "it has to be a function";

export const texts: Rule = (value) =>
  Array.isArray(value) && value.every((each) => typeof each === "string")
    ? undefined
    : "it has to be a list of texts";

export const anyValue: Rule = () => undefined;

export const oneOf =
  (...values: readonly string[]): Rule =>
  (value) =>
    values.includes(value as string)
      ? undefined
      : `it has to be ${values.map((each) => JSON.stringify(each)).join(" or ")}`;

export const either =
  (first: Rule, second: Rule): Rule =>
  (value) => {
    const why = first(value);
    const other = second(value);
    return why === undefined || other === undefined
      ? undefined
      : `${why}, or ${other.replace("it has to be ", "")}`;
  };

/** Environment variables: texts, or `undefined` to remove a variable. */
export const environment: Rule = (value) =>
  isObject(value) &&
  Object.values(value).every((each) => each === undefined || typeof each === "string")
    ? undefined
    : "it has to be an object of texts";

/** Accepts signals of other realms and of polyfills; `null` means no signal, as in `fetch`. */
export const abortSignal: Rule = (value) =>
  value === null ||
  (isObject(value) &&
    typeof value["aborted"] === "boolean" &&
    typeof value["addEventListener"] === "function")
    ? undefined
    : "it has to be an AbortSignal";

/** Memory, message ports and streams. */
export const transferable: Rule = (value) =>
  Array.isArray(value) && value.every((each) => each instanceof ArrayBuffer || isChannelEnd(each))
    ? undefined
    : "it has to be a list of array buffers, message ports and streams";

/**
 * Checks the options of one call.
 *
 * @param within - the name of the option that contains these options, with a dot; empty for the call's own options
 * @throws NEWEL_E_POOL_OPTION for a wrong value, and for an unknown name, with the nearest known one
 */
export function checkOptions(options: unknown, rules: Rules, within = ""): void {
  if (!isObject(options))
    throw refuse(
      within === "" ? "options" : within.slice(0, -1),
      options,
      "it has to be an object",
    );
  for (const name in options) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const value = options[name];
    if (rule === undefined) throw unknown(within, name, value, rules);
    const why = value === undefined ? undefined : rule(value);
    if (why !== undefined) throw refuse(within + name, value, why);
  }
}

function unknown(within: string, name: string, value: unknown, rules: Rules): Error {
  const near = closest(name, Object.keys(rules));
  const hint = near === undefined ? "" : `; did you mean ${within}${near}?`;
  return refuse(within + name, value, `there is no such option${hint}`);
}

/** An error about one option. */
export function refuse(option: string, value: unknown, why: string): Error {
  return newelError("NEWEL_E_POOL_OPTION", { option, value: shown(value), why });
}

const MAX_SHOWN = 80;

/** A value for an error message: short, and never produced by code of the value itself. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, MAX_SHOWN));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
