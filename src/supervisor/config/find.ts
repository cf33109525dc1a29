import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";
import { configError, shownFile } from "./problems.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs", ".json"];

/** `newel.config` with one extension or none: a configuration in the eyes of the person who wrote it. */
const OWN = /^newel\.config(?:\.(?<extension>\w+))?$/i;

/** Extensions of copies that editors, git and people leave next to a file. */
const LEFTOVERS =
  /^(?:bak|backup|old|orig|rej|save|sw[op]|tmp|sample|example|dist|template|disabled|log|md|map)$/i;

/** The configurations of other process managers, by the name that they look for. */
const FOREIGN =
  /^(?:(?:ecosystem|pm2)(?:\.config)?\.(?:[cm]?js|json5?|ya?ml)|Procfile(?:\.[\w-]+)?|process-compose\.ya?ml|supervisord\.conf|circus\.ini)$/;

/**
 * The configuration file: the one named, else the first `newel.config.{ts,mts,js,mjs,json}` in the directory or the
 * nearest one above it. A directory with a configuration that newel cannot read ends the search, so that the
 * one of a parent directory is never applied in its place. Links in the path of the directory are resolved: a
 * release has the same name through `current` and through its own path.
 *
 * @throws NEWEL_E_CONFIG_MISSING, and NEWEL_E_CONFIG when the file is of another kind
 */
export function findConfig(cwd: string, named: string | undefined): string {
  const file = named === undefined ? search(cwd) : checkNamed(cwd, resolve(cwd, named));
  return join(realpathSync(dirname(file)), basename(file));
}

function checkNamed(cwd: string, file: string): string {
  const problem = problemOf(file);
  if (problem !== undefined)
    throw newelError("NEWEL_E_CONFIG_MISSING", { looked: `${shownFile(file, cwd)} ${problem}` });
  if (EXTENSIONS.includes(extname(file))) return file;
  const message = `newel reads ${EXTENSIONS.join(", ")}: rename the file, or translate it into a newel.config.ts.`;
  throw configError([{ file, path: "", message }], cwd);
}

/** Why a path is no file that could be read. */
function problemOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    const link = lstatSync(file, { throwIfNoEntry: false }) !== undefined;
    return link ? "is a link to a file that does not exist" : "does not exist";
  }
  return found.isDirectory() ? "is a directory" : undefined;
}

function search(cwd: string): string {
  if (!existsSync(cwd))
    throw newelError("NEWEL_E_CONFIG_MISSING", {
      looked: `the working directory ${resolve(cwd)} was removed`,
    });
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const names = namesIn(directory);
    const own = EXTENSIONS.map((extension) => `newel.config${extension}`);
    const name = own.find((each) => names.includes(each));
    if (name !== undefined) return checkNamed(cwd, join(directory, name));
    refuseUnreadable(names, directory, cwd);
    if (directory === dirname(directory)) break;
  }
  const kinds = EXTENSIONS.map((extension) => extension.slice(1)).join(",");
  throw newelError("NEWEL_E_CONFIG_MISSING", {
    looked: `no newel.config.{${kinds}} in ${resolve(cwd)} or above`,
  });
}

/** A directory that may not be listed can still have a configuration, whose usual names are tried. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    if (systemCode(error) !== "EACCES") throw error;
    const own = EXTENSIONS.map((extension) => `newel.config${extension}`);
    return own.filter((name) => problemOf(join(directory, name)) === undefined);
  }
}

function refuseUnreadable(names: readonly string[], directory: string, cwd: string): void {
  const isFile = (name: string): boolean => problemOf(join(directory, name)) !== "is a directory";
  const own = names.find((name) => isUnreadable(name) && isFile(name));
  const foreign = names.find((name) => FOREIGN.test(name) && isFile(name));
  const file = own ?? foreign;
  if (file === undefined) return;
  const kinds = EXTENSIONS.map((extension) => `newel.config${extension}`).join(", ");
  const says =
    own === undefined
      ? "is the configuration of another tool, and the directory has none of newel"
      : "is no configuration that newel can read";
  const message = `${says}: write a newel.config.ts here, or name the file that is meant with -c. newel reads ${kinds}.`;
  throw configError([{ file: join(directory, file), path: "", message }], cwd);
}

function isUnreadable(name: string): boolean {
  const match = OWN.exec(name);
  return match !== null && !LEFTOVERS.test(match.groups?.["extension"] ?? "");
}
