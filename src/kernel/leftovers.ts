import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Home } from "../base/home.ts";

/**
 * Removes files of processes that the journal does not know: a kernel died while it made or forgot the
 * processes, the machine was rebooted, or the journal was lost. If the journal is complete, unknown files
 * belong to no process and are removed. If it was damaged, they may be the only copy of a process's output
 * and are moved to another directory.
 *
 * @param known - the ids of the known processes
 * @param whole - whether the journal was read without any damage
 * @returns the directory to which files were moved
 */
export function sweepLeftovers(
  home: Home,
  known: ReadonlySet<string>,
  whole: boolean,
): string | undefined {
  const left = [
    ...unknownIn(home.spoolDirectory, (name) => known.has(name)),
    ...unknownIn(home.fifoDirectory, (name) => known.has(name.slice(0, name.lastIndexOf(".")))),
  ];
  if (left.length === 0) return undefined;
  if (whole) {
    for (const { path } of left) rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  const aside = join(home.directory, `lost-${Date.now()}`);
  mkdirSync(aside, { mode: 0o700 });
  for (const { name, path } of left) renameSync(path, join(aside, name));
  return aside;
}

function unknownIn(
  directory: string,
  isKnown: (name: string) => boolean,
): readonly { readonly name: string; readonly path: string }[] {
  return readdirSync(directory)
    .filter((name) => !isKnown(name))
    .map((name) => ({ name, path: join(directory, name) }));
}
