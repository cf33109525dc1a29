import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { tryDurationMs } from "../../base/units.ts";
import { absoluteStore, defaultStore } from "../default-store.ts";
import { LOOPBACK, readAuthKey, type RemoteAddress } from "../remote/address.ts";

/** The settings of a job server from a command line or a configuration, as unparsed strings. */
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

export interface ServerSettings {
  /** Its URL; a file by its absolute path. */
  readonly store: string;
  /** Absolute paths. */
  readonly modules: readonly string[];
  readonly processes: number;
  readonly graceMs: number;
  /** The address at which clients without access to the store reach the server. */
  readonly listen?: RemoteAddress;
}

const DEFAULT_GRACE_MS = 20_000;
const MOST_PROCESSES = 1_000;

/**
 * Checks the settings of a job server, and fills in the defaults.
 *
 * @param directory - the base of relative paths
 * @throws NEWEL_E_JOBS_SETTING naming the setting that is missing or cannot be used
 */
export function readSettings(given: GivenSettings, directory: string): ServerSettings {
  const store = given.store ?? (process.env["NEWEL_JOBS_STORE"] || defaultStore(directory));
  const listen = readListen(given, directory);
  return {
    store: absoluteStore(store, directory),
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
        `contains ${JSON.stringify(pattern)}, which matches no file in ${directory}`,
        "a pattern that matches files",
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
): RemoteAddress | undefined {
  if (host === undefined && port === undefined && authkeyFile === undefined) return undefined;
  if (host === undefined)
    throw refused(
      "host",
      "is missing",
      'an address of this machine, or "" for the loopback interface',
    );
  if (port === undefined) throw refused("port", "is missing", "a number from 1 to 65535");
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw refused("port", `is ${port}`, "a number from 1 to 65535");
  const file = authkeyFile === undefined ? {} : { authKeyFile: resolve(directory, authkeyFile) };
  const authKey = readAuthKey(file);
  return { host: host.trim() === "" ? LOOPBACK : host.trim(), port: number, authKey };
}

function refused(setting: string, why: string, write: string): Error {
  return newelError("NEWEL_E_JOBS_SETTING", { setting, why, write });
}
