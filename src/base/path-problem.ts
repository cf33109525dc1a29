import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { messageOf, systemCode } from "./errors.ts";

/**
 * The reason why a file cannot be opened or written, for the text of a coded error.
 *
 * @param path - absolute
 * @param error - the error of the file system
 */
export function pathProblem(path: string, error: unknown): string {
  switch (systemCode(error)) {
    case "ENOENT":
      return existsSync(dirname(path))
        ? "it is missing"
        : `the directory ${firstMissing(path)} is missing`;
    case "ENOTDIR":
      return `${firstFile(path)} is not a directory`;
    case "EISDIR":
      return "it is a directory";
    case "EACCES":
    case "EPERM":
      return existsSync(path)
        ? "this user may not read and write it"
        : `this user may not write to the directory ${dirname(path)}`;
    case "EROFS":
      return "its file system is read-only";
    case "ENOSPC":
    case "EDQUOT":
      return "its file system is full";
    case undefined:
    default:
      return messageOf(error);
  }
}

/** The outermost missing directory above a path. */
function firstMissing(path: string): string {
  const parent = dirname(path);
  const above = dirname(parent);
  return above === parent || existsSync(above) ? parent : firstMissing(parent);
}

/** The outermost existing part of a path that is not a directory. */
function firstFile(path: string): string {
  const parent = dirname(path);
  if (parent === path || isDirectory(parent)) return path;
  return firstFile(parent);
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // A path below a file cannot exist.
    return false;
  }
}
