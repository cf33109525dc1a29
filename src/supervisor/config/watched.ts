import { statSync } from "node:fs";
import { resolve, sep } from "node:path";

import { durationMs } from "../../base/units.ts";
import type { ResolvedCommand, ResolvedWatch } from "./resolved.ts";
import type { WatchConfig } from "./policy-types.ts";

const DEBOUNCE_MS = 100;

/** The setting `watch` with its defaults; `undefined` where the service has none. */
export function resolveWatch(
  watch: boolean | WatchConfig | undefined,
  command: ResolvedCommand,
  cwd: string,
): ResolvedWatch | false | undefined {
  if (watch === undefined || watch === false) return watch;
  const { paths = ["."], ignore = [], debounce } = watch === true ? {} : watch;
  return {
    paths,
    ignore,
    debounceMs: debounce === undefined ? DEBOUNCE_MS : durationMs(debounce),
    base: cwd,
    programs: programFiles(command, cwd),
  };
}

/** The files and directories below `cwd` that a command names, absolute: its program and its arguments. */
function programFiles(command: ResolvedCommand, cwd: string): readonly string[] {
  return wordsOf(command)
    .map((word) => resolve(cwd, word.replaceAll(/["']/g, "")))
    .filter((path) => path.startsWith(cwd + sep) && exists(path));
}

function wordsOf(command: ResolvedCommand): readonly string[] {
  switch (command.kind) {
    case "node":
      return [command.file, ...command.args];
    case "exec":
      return command.args;
    case "shell":
      return command.line.split(/[\s;&|]+/).filter((word) => word !== "");
  }
}

function exists(path: string): boolean {
  // A word that no file can have as its name, such as one with a NUL character or one that is too long.
  if (path.includes("\0") || path.length > 4_096) return false;
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A directory that may not be entered, or a name that is too long: no file of the project.
    return false;
  }
}
