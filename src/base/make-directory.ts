import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

import { systemCode } from "./errors.ts";

/**
 * Makes a directory and its missing parents. Unlike `mkdirSync` with `recursive`, it fails with the reason of
 * the operating system: Node.js reports ENOENT where the file system is read-only (EROFS).
 *
 * @param mode - of each new directory; default 0o777 without the umask
 */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    mkdirSync(firstMissing(path), { mode });
    // Another process had removed a parent directory, which has been created again.
    mkdirSync(path, { recursive: true, mode });
  }
}

function firstMissing(path: string): string {
  const parent = dirname(path);
  return parent === path || existsSync(parent) ? path : firstMissing(parent);
}
