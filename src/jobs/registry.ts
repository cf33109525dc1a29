import { getCallSites } from "node:util";

import { newelError } from "../base/errors.ts";
import type { AnyDefinition } from "./definition.ts";

/** A position in the source code. */
export interface Place {
  /** The URL or path of the module, as Node.js reports it. */
  readonly module: string;
  readonly line: number;
  readonly column: number;
}

interface Entry {
  readonly definition: AnyDefinition;
  readonly place: Place;
}

/** The registry of the process, shared by all copies of this module (a bundle and a package). */
const KEY = Symbol.for("newel.jobs.definitions");
const shared = globalThis as { [KEY]?: Map<string, Entry> };
const entries: Map<string, Entry> = (shared[KEY] ??= new Map());

/**
 * Registers a definition by its name.
 *
 * @throws NEWEL_E_JOB_DEFINED other code has defined that name
 */
export function register(definition: AnyDefinition, place: Place): void {
  const old = entries.get(definition.name);
  if (old !== undefined && !isSamePlace(old.place, place))
    throw newelError("NEWEL_E_JOB_DEFINED", {
      name: definition.name,
      place: describe(place),
      other: describe(old.place),
    });
  entries.set(definition.name, { definition, place });
}

/** All definitions of this process, sorted by name. */
export function definitions(): readonly AnyDefinition[] {
  return [...entries.values()]
    .map(({ definition }) => definition)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The definition with this name in this process. */
export function findDefinition(name: string): AnyDefinition | undefined {
  return entries.get(name)?.definition;
}

/** The caller of the function that calls this one. */
export function callerPlace(): Place {
  const { scriptName, lineNumber, columnNumber } = getCallSites(3)[2] ?? {};
  return { module: scriptName ?? "unknown", line: lineNumber ?? 0, column: columnNumber ?? 0 };
}

/** Whether the second definition is the first one again, because its module was loaded once more. */
function isSamePlace(a: Place, b: Place): boolean {
  // Bundlers evaluate modules again, and put copies of one into several files.
  if (isBundled(a.module) && isBundled(b.module)) return true;
  if (fileOf(a.module) !== fileOf(b.module)) return false;
  // Node.js evaluates the module of a file URL once; other loaders evaluate it again when the file changes.
  const isOnce = a.module === b.module && a.module.startsWith("file:");
  return !isOnce || (a.line === b.line && a.column === b.column);
}

function isBundled(module: string): boolean {
  return /^(?!file:)[a-z-]{2,}:|[/\\]\.next[/\\]/.test(module);
}

/** Removes the query with which a module is loaded again. */
function fileOf(module: string): string {
  return module.replace(/[?#].*$/, "");
}

function describe({ module, line }: Place): string {
  return `${fileOf(module).replace(/^file:\/\//, "")}:${line}`;
}
