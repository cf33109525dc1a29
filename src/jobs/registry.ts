import { getCallSites } from "node:util";

import { newelError } from "../base/errors.ts";
import type { AnyDefinition } from "./definition.ts";

/** Where in the sources something is. */
export interface Place {
  /** The URL or path of the module, as Node has it. */
  readonly module: string;
  readonly line: number;
  readonly column: number;
}

interface Entry {
  readonly definition: AnyDefinition;
  readonly place: Place;
}

/** Of the process, also when this module is there twice (a bundle and a package). */
const KEY = Symbol.for("newel.jobs.definitions");
const shared = globalThis as { [KEY]?: Map<string, Entry> };
const entries: Map<string, Entry> = (shared[KEY] ??= new Map());

/**
 * Makes a definition known by its name.
 *
 * @throws NEWEL_E_JOB_DEFINED another place has defined that name
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

/** Every definition of this process, in the order of their names. */
export function definitions(): readonly AnyDefinition[] {
  return [...entries.values()]
    .map(({ definition }) => definition)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The definition of a name in this process. */
export function findDefinition(name: string): AnyDefinition | undefined {
  return entries.get(name)?.definition;
}

/** Who called the function that calls this. */
export function callerPlace(): Place {
  const { scriptName, lineNumber, columnNumber } = getCallSites(3)[2] ?? {};
  return { module: scriptName ?? "unknown", line: lineNumber ?? 0, column: columnNumber ?? 0 };
}

/** Whether the second definition is the first one again: its module was loaded once more. */
function isSamePlace(a: Place, b: Place): boolean {
  // Bundlers evaluate modules again, and put copies of one into several files.
  if (isBundled(a.module) && isBundled(b.module)) return true;
  if (fileOf(a.module) !== fileOf(b.module)) return false;
  // Node evaluates the module of a file's URL once; whoever else loads files does it again when they change.
  const isOnce = a.module === b.module && a.module.startsWith("file:");
  return !isOnce || (a.line === b.line && a.column === b.column);
}

function isBundled(module: string): boolean {
  return /^(?!file:)[a-z-]{2,}:|[/\\]\.next[/\\]/.test(module);
}

/** Without the query by which a module is loaded anew. */
function fileOf(module: string): string {
  return module.replace(/[?#].*$/, "");
}

function describe({ module, line }: Place): string {
  return `${fileOf(module).replace(/^file:\/\//, "")}:${line}`;
}
