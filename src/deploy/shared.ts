import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { systemCode } from "../base/errors.ts";
import type { Layout } from "./layout.ts";

/**
 * Replaces paths of a release by links to the files that all releases share. A path that is not shared yet is taken
 * from the release; one that the release does not have either becomes an empty directory, unless its name has an
 * extension or begins with a dot: then the link waits for the file.
 *
 * @param paths - relative to the directory of the configuration, as checked in the configuration
 */
export function linkShared(layout: Layout, directory: string, paths: readonly string[]): void {
  for (const path of paths) {
    const shared = join(layout.shared, path);
    const own = join(directory, path);
    mkdirSync(dirname(shared), { recursive: true });
    mkdirSync(dirname(own), { recursive: true });
    if (!isThere(shared)) {
      if (isThere(own)) moveInto(own, shared);
      else if (!/^\.|\./.test(path.slice(path.lastIndexOf("/") + 1))) mkdirSync(shared);
    }
    rmSync(own, { recursive: true, force: true });
    symlinkSync(shared, own);
  }
}

/**
 * Adds the asset files of earlier releases to a release, as hard links: a page that was loaded before a deploy still
 * finds its files. Files that the release has are left as they are.
 *
 * @param earlier - the directory and own asset files of each earlier release
 */
export function linkAssets(
  directory: string,
  earlier: readonly { readonly directory: string; readonly files: readonly string[] }[],
): void {
  for (const release of earlier) {
    for (const file of release.files) {
      const target = join(directory, file);
      if (existsSync(target) || !existsSync(join(release.directory, file))) continue;
      mkdirSync(dirname(target), { recursive: true });
      linkSync(join(release.directory, file), target);
    }
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function moveInto(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}
