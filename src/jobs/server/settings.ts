import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";

import { messageOf, newelError } from "../../base/errors.ts";
import { tryDurationMs } from "../../base/units.ts";
import { DEFAULT_STORE } from "../jobs.ts";

/** What a job server is told by a command line or a configuration: texts, as they were written. */
export interface GivenSettings {
  readonly store?: string | undefined;
  /** Patterns of files, relative to `directory`. */
  readonly modules?: readonly string[] | undefined;
  readonly processes?: string | number | undefined;
  readonly grace?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly authkeyFile?: string | undefined;
}

/** Where clients without access to the store reach the server. */
interface ListenSettings {
  readonly host: string;
  readonly port: number;
  readonly authkey: string;
}

export interface ServerSettings {
  readonly store: string;
  /** Absolute paths. */
  readonly modules: readonly string[];
  readonly processes: number;
  readonly graceMs: number;
  readonly listen?: ListenSettings;
}

const DEFAULT_GRACE_MS = 20_000;
const MOST_PROCESSES = 1_000;
const LOOPBACK = "127.0.0.1";

/**
 * Checks what a job server was told, and fills in the defaults.
 *
 * @param directory - what paths are relative to
 * @throws NEWEL_E_JOBS_SETTING naming the setting that is missing or cannot be used
 */
export function readSettings(given: GivenSettings, directory: string): ServerSettings {
  const { store = process.env["NEWEL_JOBS_STORE"] ?? DEFAULT_STORE } = given;
  const listen = readListen(given, directory);
  return {
    store,
    modules: findModules(given.modules ?? [], directory),
    processes: readProcesses(given.processes),
    graceMs: readGrace(given.grace),
    ...(listen === undefined ? {} : { listen }),
  };
}

function findModules(patterns: readonly string[], directory: string): readonly string[] {
  if (patterns.length === 0)
    throw refused("modules", "is missing", 'the modules that define jobs: "src/jobs/*.ts"');
  const found = new Set<string>();
  for (const pattern of patterns) {
    const files = globSync(pattern, { cwd: directory }).map((file) => resolve(directory, file));
    if (files.length === 0)
      throw refused(
        "modules",
        `has ${JSON.stringify(pattern)}, which no file in ${directory} fits`,
        "a pattern of files that are there",
      );
    for (const file of files.sort()) found.add(file);
  }
  return [...found];
}

function readProcesses(given: string | number | undefined): number {
  const processes = given === undefined ? availableParallelism() : Number(given);
  if (Number.isInteger(processes) && processes >= 1 && processes <= MOST_PROCESSES)
    return processes;
  throw refused("processes", `is ${given}`, `a whole number from 1 to ${MOST_PROCESSES}`);
}

function readGrace(given: string | undefined): number {
  const graceMs = given === undefined ? DEFAULT_GRACE_MS : tryDurationMs(given);
  if (graceMs !== undefined) return graceMs;
  throw refused("grace", `is ${given}`, 'a duration with its unit: "20s"');
}

/** All of host, port and auth key, or none. */
function readListen(
  { host, port, authkeyFile }: GivenSettings,
  directory: string,
): ListenSettings | undefined {
  if (host === undefined && port === undefined && authkeyFile === undefined) return undefined;
  if (host === undefined)
    throw refused("host", "is missing", 'an address of this machine, or "" for loopback alone');
  if (port === undefined) throw refused("port", "is missing", "a number from 1 to 65535");
  if (authkeyFile === undefined)
    throw refused(
      "authkey-file",
      "is missing",
      "a file that holds the secret clients prove to know",
    );
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw refused("port", `is ${port}`, "a number from 1 to 65535");
  const authkey = readKey(resolve(directory, authkeyFile));
  return { host: host.trim() === "" ? LOOPBACK : host.trim(), port: number, authkey };
}

function readKey(path: string): string {
  let key: string;
  try {
    key = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw refused(
      "authkey-file",
      `cannot be read (${messageOf(error)})`,
      "a file that holds the secret",
    );
  }
  if (key === "")
    throw refused("authkey-file", `is ${path}, which is empty`, "a file that holds the secret");
  return key;
}

function refused(setting: string, why: string, write: string): Error {
  return newelError("NEWEL_E_JOBS_SETTING", { setting, why, write });
}
