import { isRecord } from "./leaves.ts";
import { type Finding, type Key, pathText, quoted } from "./problems.ts";
import { namesReference } from "./references.ts";

// Variables of the caller in texts of the configuration, as in compose and the shell:
//   ${NAME}  ${NAME:-default}  ${NAME-default}  ${NAME:?message}  ${NAME?message}  $${ for "${" itself
// A ":" treats an empty value like a missing one. A default or a message may contain variables.

/** The value of a variable; `undefined`: it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A configuration with its variables replaced. */
export interface Interpolated {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** By the path of a replaced text, the text as it was written: it shows no value. */
  readonly written: ReadonlyMap<string, string>;
}

/** Settings that are a number, and those that are true or false: a text of variables alone may stand for one. */
const NUMBERS: ReadonlySet<Key> = new Set([
  "port",
  "listen",
  "replicas",
  "backlog",
  "max",
  "processes",
]);
const FLAGS: ReadonlySet<Key> = new Set(["enabled"]);

/** Bounds defaults within defaults. */
const DEEPEST = 20;

/** Replaces the variables in every text below `keys` of the configuration, except those that a shell reads. */
export function interpolate(value: unknown, keys: readonly Key[], lookup: Lookup): Interpolated {
  const findings: Finding[] = [];
  const written = new Map<string, string>();
  const walk = (inner: unknown, at: readonly Key[]): unknown => {
    if (typeof inner === "string") {
      if (!inner.includes("${") || isShellText(at)) return inner;
      const problems: string[] = [];
      const text = replaceIn(inner, { lookup, depth: 0, problem: (says) => problems.push(says) });
      findings.push(...problems.map((says) => ({ keys: at, says })));
      // The text stays as it is, so that no other rule sees half of it.
      if (problems.length > 0) return inner;
      written.set(pathText(at), inner);
      return ofSetting(text, inner, at);
    }
    if (Array.isArray(inner))
      return inner.map((item: unknown, index) => walk(item, [...at, index]));
    if (!isRecord(inner)) return inner;
    const entries = Object.entries(inner).map(([key, item]) => [key, walk(item, [...at, key])]);
    return Object.fromEntries(entries);
  };
  return { value: walk(value, keys), findings, written };
}

/** A `run` text is read by /bin/sh, which has the same forms for the environment of the process. */
function isShellText(at: readonly Key[]): boolean {
  return at.length === 3 && at[0] === "services" && at[2] === "run";
}

/** `listen: "${PORT}"` means a number, as `listen: 3000` does; in `env` and in other settings it is a text. */
function ofSetting(text: string, source: string, at: readonly Key[]): unknown {
  const key = at.findLast((each) => typeof each === "string");
  if (
    key === undefined ||
    at.includes("env") ||
    at.includes("profileEnv") ||
    !/^\$\{.*\}$/.test(source)
  )
    return text;
  if (NUMBERS.has(key) && /^\d{1,15}$/.test(text)) return Number(text);
  return FLAGS.has(key) && (text === "true" || text === "false") ? text === "true" : text;
}

interface Reading {
  readonly lookup: Lookup;
  readonly depth: number;
  readonly problem: (says: string) => void;
}

function replaceIn(text: string, reading: Reading): string {
  let result = "";
  let rest = text;
  for (;;) {
    const begin = rest.indexOf("${");
    if (begin === -1) return result + rest;
    if (rest[begin - 1] === "$") {
      result += `${rest.slice(0, begin - 1)}\${`;
      rest = rest.slice(begin + 2);
      continue;
    }
    const end = endOf(rest, begin);
    if (end === undefined) {
      reading.problem('has "${" without its "}"; write "$${" for the text itself.');
      return result;
    }
    result += rest.slice(0, begin) + valueOf(rest.slice(begin + 2, end), reading);
    rest = rest.slice(end + 1);
  }
}

/** The position of the "}" that ends a "${"; those between belong to a default or a message. */
function endOf(text: string, begin: number): number | undefined {
  let open = 0;
  for (let at = begin; at < text.length; at += 1) {
    if (text.startsWith("${", at)) open += 1;
    else if (text[at] === "}") {
      open -= 1;
      if (open === 0) return at;
    }
  }
  return undefined;
}

function valueOf(inner: string, reading: Reading): string {
  const [, name = "", operator = "", word = ""] =
    /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])([^]*))?$/.exec(inner) ?? [];
  if (name === "") {
    reading.problem(
      `has ${quoted(`\${${inner}}`)}; write \${NAME}, \${NAME:-default} or \${NAME:?message}, or "$\${" for the text itself.`,
    );
    return "";
  }
  const value = reading.lookup(name);
  if (value !== undefined && (value !== "" || !operator.startsWith(":")))
    return checked(name, value, reading);
  if (reading.depth >= DEEPEST) {
    reading.problem(`has more than ${DEEPEST} defaults within each other.`);
    return "";
  }
  const inside = { ...reading, depth: reading.depth + 1 };
  if (operator.endsWith("-")) return replaceIn(word, inside);
  const missing = value === undefined ? "not set" : "empty";
  if (operator.endsWith("?") && word !== "")
    reading.problem(`needs the variable ${name}: ${replaceIn(word, inside)}`);
  else
    reading.problem(
      `needs the variable ${name}, which is ${missing}: set it, or write a default, \${${name}:-…}.`,
    );
  return "";
}

/** A value never becomes a reference: it would be replaced by something else. */
function checked(name: string, value: string, { problem }: Reading): string {
  if (namesReference(value))
    problem(
      `has \${${name}}, whose value has a reference of newel, "$(…)": write it here instead.`,
    );
  return value;
}
