import { newelError } from "../../base/errors.ts";

/** The first fixed release of a line of SQLite that got the fix of the WAL-reset bug. */
const FIXED_LINES: readonly (readonly [number, number, number])[] = [
  [3, 44, 6],
  [3, 50, 7],
];
const FIXED_FOR_ALL = [3, 51, 3] as const;
/** The first version with WAL files. */
const FIRST_WITH_WAL = [3, 7, 0] as const;

/**
 * Whether a version of SQLite has the WAL-reset bug: a checkpoint that runs at the moment in which another
 * connection restarts the WAL can lose committed transactions. SQLite 3.7.0 to 3.51.2 have it, without the
 * releases 3.44.6 and 3.50.7 and their successors of the same line.
 */
export function hasWalResetBug(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const given = [major, minor, patch] as const;
  if (!isAtLeast(given, FIRST_WITH_WAL) || isAtLeast(given, FIXED_FOR_ALL)) return false;
  return !FIXED_LINES.some(
    ([line, branch, fixed]) => major === line && minor === branch && patch >= fixed,
  );
}

type Version = readonly [number, number, number];

function isAtLeast(given: Version, wanted: Version): boolean {
  const at = given.findIndex((part, index) => part !== wanted[index]);
  return at === -1 || (given[at] ?? 0) > (wanted[at] ?? 0);
}

let warned = false;

/**
 * Refuses a Node.js whose SQLite can lose committed transactions. With `allowUnsafe` the process gets one
 * warning instead.
 *
 * @throws NEWEL_E_JOBS_SQLITE
 */
export function assertSafeSqlite(
  allowUnsafe: boolean,
  {
    node,
    sqlite = "0.0.0",
  }: { readonly node: string; readonly sqlite?: string } = process.versions,
): void {
  if (!hasWalResetBug(sqlite)) return;
  const error = newelError("NEWEL_E_JOBS_SQLITE", { sqlite, node });
  if (!allowUnsafe) throw error;
  if (!warned) process.emitWarning(error.message, { code: error.code });
  warned = true;
}
