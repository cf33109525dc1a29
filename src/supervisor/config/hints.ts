import { constants } from "node:os";

import { tryDurationMs, trySizeBytes } from "../../base/units.ts";
import { isRecord } from "./leaves.ts";
import { type Key, quoted } from "./problems.ts";

// The value that stands for a wrong one: a number where a duration belongs, a text in place of an object, and the like.

/** Settings that are durations, with or without other settings around them. */
const DURATIONS: ReadonlySet<string> = new Set([
  "grace",
  "linger",
  "timeout",
  "stable",
  "after",
  "within",
  "min",
  "maxAge",
  "debounce",
]);
const SIZES: ReadonlySet<string> = new Set(["bufsize", "as", "data", "stack", "fsize", "memlock"]);
const FLAGS: ReadonlySet<string> = new Set(["enabled", "notify"]);

type Correction = (input: unknown) => string | undefined;

/** By the last key of the path. */
const BY_KEY: Readonly<Record<string, Correction>> = {
  stop: (input) => {
    if (typeof input !== "string") return undefined;
    if (tryDurationMs(input) !== undefined) return `{ grace: ${quoted(input)} }`;
    return /^SIG[A-Z0-9]+$/.test(input) ? `{ signal: ${quoted(input)} }` : undefined;
  },
  signal: (input) => {
    const found = Object.entries(constants.signals).find(([, number]) => number === input);
    return found === undefined ? undefined : quoted(found[0]);
  },
  ready: (input) => {
    if (input === true) return "{ notify: true }";
    if (typeof input === "number") return `{ tcp: "127.0.0.1:${input}" }`;
    if (typeof input !== "string") return undefined;
    if (/^(?:\/|http:)/.test(input)) return `{ http: ${quoted(input)} }`;
    return `{ ${/:\d+$/.test(input) ? "tcp" : "log"}: ${quoted(input)} }`;
  },
  http: (input) => (typeof input === "number" ? `"http://127.0.0.1:${input}/"` : undefined),
  tcp: (input) => (typeof input === "number" ? `"127.0.0.1:${input}"` : undefined),
  restart: (input) => {
    if (typeof input === "number") return `{ max: ${input} }`;
    return typeof input === "boolean" ? quoted(input ? "always" : "never") : undefined;
  },
  backoff: (input) => {
    if (typeof input === "number") return `{ min: ${durationText(input, "ms")} }`;
    return typeof input === "string" && tryDurationMs(input) !== undefined
      ? `{ min: ${quoted(input)} }`
      : undefined;
  },
  reload: () => '{ order: "start-first" }',
  args: words,
  nodeArgs: words,
  passEnv: words,
  dependsOn: (input) => (typeof input === "string" ? `[${quoted(input)}]` : undefined),
  umask: (input) => {
    const digits = /^(?:0o)?([0-7]{1,3})$/.exec(String(input))?.[1];
    return digits === undefined ? undefined : quoted(digits.padStart(3, "0"));
  },
  listen: (input) =>
    isRecord(input) && typeof input["port"] === "number" ? String(input["port"]) : undefined,
  portRange: (input) =>
    Number.isInteger(input) ? `"${Number(input)}-${Number(input) + 9}"` : undefined,
  watch: (input) => {
    if (typeof input === "string") return `{ paths: [${quoted(input)}] }`;
    const isList = Array.isArray(input) && input.every((each) => typeof each === "string");
    return isList
      ? `{ paths: [${input.map((each: string) => quoted(each)).join(", ")}] }`
      : undefined;
  },
  jobs: () => '{ modules: "src/jobs/*.ts" }',
  name: (input) => (typeof input === "number" ? quoted(String(input)) : undefined),
};

/** ` Did you mean …?`, or an empty text where the value says nothing about its meaning. */
export function correction(keys: readonly Key[], input: unknown): string {
  const meant = meantValue(keys, input);
  return meant === undefined ? "" : ` Did you mean ${meant}?`;
}

function meantValue(keys: readonly Key[], input: unknown): string | undefined {
  const key = String(keys.at(-1));
  const [top, , inner] = keys;
  if (keys.length === 2 && top === "services")
    return typeof input === "string" ? commandText(input) : undefined;
  if (keys.length === 2 && top === "sockets")
    return typeof input === "number" ? `{ port: ${input} }` : undefined;
  if (keys.length === 1 && top === "services")
    return Array.isArray(input) ? "an object with the names as its keys" : undefined;
  // The value of a variable is not shown; true and false are none.
  if (keys.at(-2) === "env") return typeof input === "boolean" ? quoted(String(input)) : undefined;
  if (keys.at(-2) === "dependsOn")
    return isRecord(input) ? conditionText(input["condition"]) : undefined;
  if (inner === "limits" && typeof input === "string" && /^\d+$/.test(input)) return input;
  if (DURATIONS.has(key) || (key === "max" && keys.at(-2) === "backoff"))
    return typeof input === "number" ? durationText(input, "s") : undefined;
  if (SIZES.has(key)) return typeof input === "number" ? sizeText(input) : undefined;
  if (FLAGS.has(key)) return flagText(input);
  return Object.hasOwn(BY_KEY, key) ? BY_KEY[key]?.(input) : undefined;
}

/** A large number without a unit is milliseconds. */
function durationText(amount: number, small: "ms" | "s"): string | undefined {
  if (amount < 1000)
    return tryDurationMs(`${amount}${small}`) === undefined ? undefined : `"${amount}${small}"`;
  return `"${amount % 1000 === 0 ? `${amount / 1000}s` : `${amount}ms`}"`;
}

/** A large number without a unit is bytes. */
function sizeText(amount: number): string | undefined {
  if (amount >= 1_000_000)
    return `"${amount % 1_000_000 === 0 ? `${amount / 1_000_000}MB` : `${amount}B`}"`;
  return trySizeBytes(`${amount}MB`) === undefined ? undefined : `"${amount}MB"`;
}

/** A text in the place of a service is its program. */
function commandText(text: string): string {
  const file = /^(?:node\s+)?(\S+\.[cm]?[jt]s)$/.exec(text.trim())?.[1];
  return file === undefined ? `{ run: ${quoted(text)} }` : `{ node: ${quoted(file)} }`;
}

function flagText(input: unknown): string | undefined {
  if (["true", "yes", "on", 1].includes(input as string)) return "true, without quotes";
  return ["false", "no", "off", 0].includes(input as string) ? "false, without quotes" : undefined;
}

function conditionText(condition: unknown): string | undefined {
  const words: Readonly<Record<string, string>> = {
    service_started: "started",
    service_healthy: "ready",
    service_completed_successfully: "completed",
    process_started: "started",
    process_healthy: "ready",
    process_completed_successfully: "completed",
  };
  const word = words[String(condition)];
  return word === undefined ? undefined : quoted(word);
}

function words(input: unknown): string | undefined {
  if (typeof input !== "string" || input.trim() === "") return undefined;
  return `[${input
    .trim()
    .split(/\s+/)
    .map((word) => quoted(word))
    .join(", ")}]`;
}
