import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";
import { CONFIG_EXTENSIONS } from "../../base/project.ts";
import { configError, shownFile } from "./problems.ts";

/** `newel.config` with one extension or none: its author means it as a configuration. */
const OWN = /^newel\.config(?:\.(?<extension>\w+))?$/i;

/** Extensions of copies that editors, git and people leave next to a file. */
const LEFTOVERS =
  /^(?:bak|backup|old|orig|rej|save|sw[op]|tmp|sample|example|dist|template|disabled|log|md|map)$/i;

/** The configurations of other process managers, by their file names. */
const FOREIGN =
  /^(?:(?:ecosystem|pm2)(?:\.config)?\.(?:[cm]?js|json5?|ya?ml)|Procfile(?:\.[\w-]+)?|process-compose\.ya?ml|supervisord\.conf|circus\.ini)$/;

/** Files of other process managers that newel runs as they are. */
const RUNNABLE =
  /^(?:(?:ecosystem|pm2)(?:\.config)?\.(?:[cm]?js|json5?|ya?ml)|Procfile(?:\.[\w-]+)?)$/;

/** Whether a configuration is a file of pm2 or a Procfile, which is translated each time it is read. */
export function isForeign(file: string): boolean {
  return RUNNABLE.test(basename(file));
}

/** Of several files only these are looked for: `Procfile.dev` has to be named. */
const USUAL =
  /^(?:ecosystem\.config\.(?:[cm]?js|json|ya?ml)|ecosystem\.json|pm2\.config\.[cm]?js|pm2\.json|Procfile)$/;

/**
 * Finds the configuration file: the named file, else the first `newel.config.{ts,mts,js,mjs,json}` in the
 * directory or the nearest one above it. If a directory has no `newel.config`, but a file of pm2 or a Procfile,
 * that file is used. A configuration that newel cannot read ends the search, so that the configuration of a
 * parent directory is never applied instead. Symbolic links in the path of the directory are resolved, so that
 * the file of a release has the same path whether it is reached through `current` or directly.
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
  if (CONFIG_EXTENSIONS.includes(extname(file)) || isForeign(file)) return file;
  const message = `newel reads ${CONFIG_EXTENSIONS.join(", ")}, files of pm2 and Procfiles: rename the file, or write a newel.config.ts by \`newel init --from ${shownFile(file, cwd)}\`.`;
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
    const own = CONFIG_EXTENSIONS.map((extension) => `newel.config${extension}`);
    const name = own.find((each) => names.includes(each));
    if (name !== undefined) return checkNamed(cwd, join(directory, name));
    const foreign = refuseUnreadable(names, directory, cwd);
    if (foreign !== undefined) return checkNamed(cwd, join(directory, foreign));
    if (directory === dirname(directory)) break;
  }
  const kinds = CONFIG_EXTENSIONS.map((extension) => extension.slice(1)).join(",");
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
    const own = CONFIG_EXTENSIONS.map((extension) => `newel.config${extension}`);
    return own.filter((name) => problemOf(join(directory, name)) === undefined);
  }
}

/** The one file of another tool that newel runs; throws for a file that it cannot read. */
function refuseUnreadable(
  names: readonly string[],
  directory: string,
  cwd: string,
): string | undefined {
  const isFile = (name: string): boolean => problemOf(join(directory, name)) !== "is a directory";
  const own = names.find((name) => isUnreadable(name) && isFile(name));
  const foreign = names.filter((name) => FOREIGN.test(name) && isFile(name));
  const [usual, ...others] = foreign.filter((name) => USUAL.test(name));
  if (own === undefined && usual !== undefined && others.length === 0) return usual;
  const file = own ?? usual ?? foreign[0];
  if (file === undefined) return undefined;
  const kinds = CONFIG_EXTENSIONS.map((extension) => `newel.config${extension}`).join(", ");
  const says =
    own !== undefined
      ? "is no configuration that newel can read"
      : others.length > 0
        ? `is one of several configurations of other tools here (${[usual, ...others].join(", ")})`
        : "is the configuration of another tool, and the directory has none of newel";
  const message = `${says}: write a newel.config.ts here (\`newel init\` does), or name the file that is meant with -c. newel reads ${kinds}, files of pm2 and Procfiles.`;
  throw configError([{ file: join(directory, file), path: "", message }], cwd);
}

function isUnreadable(name: string): boolean {
  const match = OWN.exec(name);
  return match !== null && !LEFTOVERS.test(match.groups?.["extension"] ?? "");
}
