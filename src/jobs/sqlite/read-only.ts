import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

import { type Outcome, type Request, runGroup } from "./group.ts";
import { readOf } from "./operations.ts";
import { Store } from "./store.ts";

/**
 * Answers calls that only read, from a file that this process may not write: a read-only mount, a file of
 * another user. The file is closed after each call.
 *
 * @returns `undefined` when a call writes, or the file cannot be read either
 */
export function readUnwritable(path: string, requests: readonly Request[]): Outcome[] | undefined {
  if (!existsSync(path) || requests.some(({ operation }) => readOf(operation) === undefined))
    return undefined;
  // First as one of the processes that use the file, then as a file at rest, then from a copy.
  const ways = [path, ...(isAtRest(path) ? [immutable(path)] : [])];
  for (const way of ways) {
    const outcomes = readFrom(way, path, requests);
    if (outcomes !== undefined) return outcomes;
  }
  return isAtRest(path) ? undefined : readCopy(path, requests);
}

function isAtRest(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

function immutable(path: string): URL {
  const url = pathToFileURL(path);
  url.search = "?immutable=1";
  return url;
}

function readFrom(
  way: string | URL,
  path: string,
  requests: readonly Request[],
): Outcome[] | undefined {
  try {
    const database = new DatabaseSync(way, { readOnly: true });
    try {
      return runGroup(new Store(database, path, () => undefined), requests, () => undefined);
    } finally {
      database.close();
    }
  } catch {
    // The caller gets the error of the opening for writing.
    return undefined;
  }
}

/** Reads a copy, because SQLite needs to create an index to read a WAL and cannot do so in a read-only directory. */
function readCopy(path: string, requests: readonly Request[]): Outcome[] | undefined {
  const directory = mkdtempSync(join(tmpdir(), "newel-jobs-"));
  try {
    const copy = join(directory, "jobs.db");
    // With another program (cp): closing the file here would drop locks of this process (damaged-copy.ts).
    const copied = ["", "-wal"].every(
      (part) => spawnSync("cp", ["--", path + part, copy + part]).status === 0,
    );
    return copied ? readFrom(copy, path, requests) : undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
