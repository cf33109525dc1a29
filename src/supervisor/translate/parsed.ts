import { relative } from "node:path";

import type { ScriptSource } from "../config/locate.ts";
import type { Key } from "../config/problems.ts";

/** A file of another tool as data, with the places of its values. */
export interface Parsed {
  readonly value: unknown;
  /** Absolute. */
  readonly file: string;
  /** The directory of the configuration: paths in that count from it. */
  readonly directory: string;
  /** The directory that paths of the file count from, where the tool uses that of its caller. */
  readonly base: string;
  /** The environment of the caller. */
  readonly environment: NodeJS.ProcessEnv;
  /** The line of a value, from 1. */
  lineOf(keys: readonly Key[]): number | undefined;
  /** The source, where the file is a program. */
  readonly script?: ScriptSource | undefined;
  readonly text: string;
}

/** A text, a number or a boolean as text; `undefined` for anything else. */
export function scalar(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** A list of texts; a single text is a list of one. */
export function list(value: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value)
    ? value
    : value === undefined
      ? []
      : [value];
  return values.flatMap((each) => scalar(each) ?? []);
}

/** A whole number, or its text. */
export function integer(value: unknown): number | undefined {
  const number = typeof value === "string" && /^-?\d+$/.test(value.trim()) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) ? number : undefined;
}

/** `true` for true, "true", "yes", "on" and 1; `undefined` for what is no such word. */
export function boolean(value: unknown): boolean | undefined {
  const word = String(value).toLowerCase();
  if (["true", "yes", "on", "1"].includes(word)) return true;
  return ["false", "no", "off", "0"].includes(word) ? false : undefined;
}

/** A path for the configuration: relative below its directory, because a project may move; else absolute. */
export function nearPath(from: string, to: string): string | undefined {
  const near = relative(from, to);
  if (near === "") return undefined;
  return near === ".." || near.startsWith("../") ? to : near;
}
