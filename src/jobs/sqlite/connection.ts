import { readlinkSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { newelError } from "../../base/errors.ts";

/** The options with which a job file is opened. */
export interface SqliteOptions {
  /** The path of the file. A missing file is created; a missing directory is not. */
  readonly path: string;
  /**
   * `full` (the default): each transaction is synced to disk before it is answered and survives a power cut.
   * `normal`: a power cut may lose about the last second; a killed process loses nothing.
   */
  readonly synchronous?: "full" | "normal";
  /**
   * The check when the file is opened: `quick` (the default) checks every page, `full` also
   * the indexes, `off` nothing. A file of more than 256 MB is only checked when this is set.
   */
  readonly check?: "quick" | "full" | "off";
  /**
   * Uses the file although the SQLite of this Node.js can lose committed transactions (the WAL-reset bug of
   * SQLite 3.7.0 to 3.51.2), with one warning. Default `false`: opening fails with NEWEL_E_JOBS_SQLITE.
   */
  readonly allowUnsafeSqlite?: boolean;
}

/** The `connection` of a queue: options, or `'sqlite:./jobs.db'`, with `?synchronous=normal` and the like. */
export type SqliteConnection = SqliteOptions | string;

/** The options with all defaults filled in; the path is absolute. */
export interface StoreOptions {
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly check: "auto" | "quick" | "full" | "off";
  readonly allowUnsafeSqlite: boolean;
}

/**
 * Reads a connection.
 *
 * @throws NEWEL_E_JOBS_CONNECTION
 */
export function parseConnection(connection: unknown): StoreOptions {
  const given = typeof connection === "string" ? fromUrl(connection) : connection;
  if (typeof given !== "object" || given === null) throw refused(connection, "it names no file");
  const {
    path,
    synchronous = "full",
    check = "auto",
    allowUnsafeSqlite = false,
    ...others
  } = given as Record<string, unknown>;
  // A misspelt option would have no effect, and a file would be less durable than meant, or checked less.
  for (const name of Object.keys(others))
    throw refused(connection, `"${name}" is none of synchronous, check and allowUnsafeSqlite`);
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw refused(connection, "it names no file");
  if (path === ":memory:") throw refused(connection, "other threads could not open it");
  if (synchronous !== "full" && synchronous !== "normal")
    throw refused(connection, "synchronous is full or normal");
  if (check !== "auto" && check !== "quick" && check !== "full" && check !== "off")
    throw refused(connection, "check is quick, full or off");
  // In a URL every value is a string.
  const allowed = allowUnsafeSqlite === true || allowUnsafeSqlite === "true";
  if (!allowed && allowUnsafeSqlite !== false && allowUnsafeSqlite !== "false")
    throw refused(connection, "allowUnsafeSqlite is true or false");
  return { path: linked(resolve(path)), synchronous, check, allowUnsafeSqlite: allowed };
}

/** The most links that Linux follows. */
const MOST_LINKS = 40;

/** The file that a symbolic link names, which need not exist yet: SQLite keeps the WAL next to that file, not to the link. */
function linked(path: string): string {
  let file = path;
  for (let links = 0; links < MOST_LINKS; links += 1)
    try {
      file = resolve(realpathSync(dirname(file)), readlinkSync(file));
    } catch {
      // It is no link, or not there.
      return file;
    }
  throw refused(path, "its symbolic links have no end");
}

function fromUrl(text: string): Record<string, string> {
  const match = /^sqlite:(?<path>[^?]*)(?:\?(?<query>.*))?$/.exec(text);
  if (match === null) {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
      throw refused(text, "it is of another kind of store");
    return { path: text };
  }
  const { path = "", query = "" } = match.groups ?? {};
  return { ...Object.fromEntries(new URLSearchParams(query)), path: fromUrlPath(path) };
}

/** `./jobs.db` is relative, `///var/jobs.db` and `/var/jobs.db` are absolute. */
function fromUrlPath(path: string): string {
  if (!path.startsWith("//")) return decodeURIComponent(path);
  return path.startsWith("///") ? fileURLToPath(`file:${path}`) : decodeURIComponent(path.slice(2));
}

function refused(connection: unknown, why: string): Error {
  const value = typeof connection === "string" ? connection : JSON.stringify(connection);
  return newelError("NEWEL_E_JOBS_CONNECTION", { value: value ?? "undefined", why });
}
