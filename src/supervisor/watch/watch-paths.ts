import { statSync } from "node:fs";
import { dirname, matchesGlob, relative, resolve, sep } from "node:path";

/** A path of `watch.paths` as the watcher needs it. */
export interface WatchRoot {
  /** The directory that is watched with all directories below it, absolute. */
  readonly directory: string;
  /** Whether the pattern matches a file below the directory. */
  readonly includes: (path: string) => boolean;
  /** Whether a directory below it can contain such a file. */
  readonly enters: (path: string) => boolean;
}

const GLOB = /[*?[\]{}!()]/;

/**
 * The directory of a path of `watch.paths`: a directory itself, the directory of a single file, or the part of a
 * pattern before its first special character.
 *
 * @param base - the directory from which the path counts, absolute
 */
export function watchRoot(path: string, base: string): WatchRoot {
  if (GLOB.test(path)) return patternRoot(path, base);
  const absolute = resolve(base, path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() === true)
    return { directory: absolute, includes: () => true, enters: () => true };
  // A file, or a path that does not exist yet.
  const isMeant = (other: string): boolean =>
    other === absolute || other.startsWith(absolute + sep);
  return { directory: dirname(absolute), includes: isMeant, enters: isMeant };
}

function patternRoot(path: string, base: string): WatchRoot {
  const parts = path.replace(/^\.\//, "").split("/");
  const first = parts.findIndex((part) => GLOB.test(part));
  const directory = resolve(base, parts.slice(0, first).join("/") || ".");
  const pattern = parts.slice(first).join("/");
  const depth = pattern.includes("**") ? Infinity : parts.length - first - 1;
  return {
    directory,
    includes: (file) => matchesGlob(relative(directory, file), pattern),
    enters: (below) => relative(directory, below).split(sep).length <= depth,
  };
}
