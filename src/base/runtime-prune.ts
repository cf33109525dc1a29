import { readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { parseBuildName } from "./build.ts";
import { systemCode } from "./errors.ts";
import type { Home } from "./home.ts";
import { isDeadLock } from "./file-lock.ts";
import { isRunning } from "./runtime.ts";
import { readLink } from "./runtime-links.ts";

/** The names of files that an interrupted installation leaves, with the pid and the thread of its process. */
const LEFT_BEHIND = /^(?:\..+\.(\d+)(?:-\d+)?\.new|(?:current|next)\.(\d+)(?:-\d+)?)$/;

/**
 * Removes the copies of a home that no process uses any more: no daemon runs from the copy, no service uses
 * its preload (by its command line or environment), and no link names it.
 *
 * @returns the names of the copies that were removed
 */
export function pruneRuntimes(home: Home): readonly string[] {
  const entries = listDirectory(home.runtimeDirectory);
  for (const entry of entries) if (isLeftBehind(entry) || isDeadLock(entry)) remove(home, entry);
  const linked = new Set([readLink(home, "current"), readLink(home, "next")]);
  const old = entries.filter((name) => parseBuildName(name) !== undefined && !linked.has(name));
  if (old.length === 0) return [];
  const unused = unusedOf(old, realpathSync(home.runtimeDirectory), home.runtimeDirectory);
  for (const name of unused) remove(home, name);
  return unused;
}

function isLeftBehind(entry: string): boolean {
  const [found, ofCopy, ofLink] = LEFT_BEHIND.exec(entry) ?? [];
  return found !== undefined && !isRunning(Number(ofCopy ?? ofLink));
}

function remove(home: Home, name: string): void {
  rmSync(join(home.runtimeDirectory, name), { recursive: true, force: true });
}

/** The copies that the command line and environment of no process name. */
function unusedOf(names: readonly string[], ...directories: string[]): readonly string[] {
  let unused = names;
  for (const pid of listDirectory("/proc").filter((name) => /^\d+$/.test(name))) {
    if (unused.length === 0) return [];
    const text = ["cmdline", "environ"].map((file) => readAny(`/proc/${pid}/${file}`)).join("\0");
    if (!text.includes("/runtime/")) continue;
    // In NODE_OPTIONS a path may be quoted, in a command line it may be a URL.
    const plain = `${text}\0${text.replaceAll(/\\(.)/g, "$1")}`;
    unused = unused.filter(
      (name) =>
        !directories.some((directory) => {
          const path = join(directory, name);
          return plain.includes(`${path}/`) || plain.includes(`${pathToFileURL(path).href}/`);
        }),
    );
  }
  return unused;
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * A file's text; empty when the file is gone or belongs to another user's process, which cannot be newel's.
 */
function readAny(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return "";
    throw error;
  }
}
