import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { newelError } from "../../base/errors.ts";

/** How a file of jobs is opened. */
export interface SqliteOptions {
  /** The file; made when it is not there, its directory is not. */
  readonly path: string;
  /**
   * `full` (the default): what was answered survives a power cut, each transaction is synced to disk.
   * `normal`: about the last second before a power cut may be lost, nothing before a killed process.
   */
  readonly synchronous?: "full" | "normal";
  /**
   * What is checked when the file is opened: `quick` (the default) looks at every page, `full` also at
   * the indexes, `off` at nothing. A file of more than 256 MB is only checked when this is set.
   */
  readonly check?: "quick" | "full" | "off";
}

/** The `connection` of a queue: options, or `'sqlite:./jobs.db'`, with `?synchronous=normal` and the like. */
export type SqliteConnection = SqliteOptions | string;

/** Options with everything filled in, the path absolute. */
export interface StoreOptions {
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly check: "auto" | "quick" | "full" | "off";
}

/**
 * Reads a connection.
 *
 * @throws NEWEL_E_JOBS_CONNECTION
 */
export function parseConnection(connection: unknown): StoreOptions {
  const given = typeof connection === "string" ? fromUrl(connection) : connection;
  if (typeof given !== "object" || given === null) throw refused(connection, "it names no file");
  const { path, synchronous = "full", check = "auto" } = given as Record<string, unknown>;
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw refused(connection, "it names no file");
  if (path === ":memory:") throw refused(connection, "other threads could not open it");
  if (synchronous !== "full" && synchronous !== "normal")
    throw refused(connection, "synchronous is full or normal");
  if (check !== "auto" && check !== "quick" && check !== "full" && check !== "off")
    throw refused(connection, "check is quick, full or off");
  return { path: resolve(path), synchronous, check };
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
