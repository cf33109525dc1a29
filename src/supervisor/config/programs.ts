import { accessSync, constants, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { systemCode } from "../../base/errors.ts";

/** The directory of npm, yarn and pnpm for the programs of a project's dependencies. */
const BIN = "node_modules/.bin";

/**
 * Directories that a package runner adds to PATH for the time of one command: the programs of its cache, wrappers
 * around `node`, and those for node-gyp.
 */
const OF_RUNNERS =
  /\/_npx\/[^/]+\/node_modules\/\.bin$|\/node-gyp-bin$|\/(?:xfs|yarn-|bun-node)-[^/]+$/;

/**
 * The `node_modules/.bin` that exist in a directory and in those above it, nearest first. npm puts the same
 * before PATH, so a program is found alike through `npx newel up`, from a login shell and from cron.
 */
export function binDirectories(cwd: string): string[] {
  return ancestors(cwd)
    .map((directory) => join(directory, BIN))
    .filter((directory) => statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true);
}

/**
 * The caller's environment as it was before npm, npx, yarn, pnpm or bun added directories to PATH.
 *
 * @param directory - of the configuration file
 */
export function withoutRunners(caller: NodeJS.ProcessEnv, directory: string): NodeJS.ProcessEnv {
  const { PATH: path } = caller;
  if (path === undefined) return caller;
  const { npm_package_json: manifest, npm_config_local_prefix: prefix, INIT_CWD: start } = caller;
  const projects = [directory, manifest === undefined ? undefined : dirname(manifest), prefix];
  const isRunner = manifest !== undefined || prefix !== undefined;
  const added = new Set(
    [...projects, isRunner ? start : undefined]
      .flatMap((project) => (project === undefined ? [] : ancestors(project)))
      .map((each) => join(each, BIN)),
  );
  const kept = path.split(":").filter((each) => !added.has(each) && !OF_RUNNERS.test(each));
  return { ...caller, PATH: kept.join(":") };
}

/**
 * The file that a program's name means in PATH.
 *
 * @returns `undefined` when no directory has it, and for a name with a slash, which is not searched for
 */
export function findProgram(
  name: string,
  path: string | undefined,
  cwd: string,
): string | undefined {
  if (name === "" || name.includes("/")) return undefined;
  return (path ?? "")
    .split(":")
    .map((directory) => resolve(cwd, directory, name))
    .find(isExecutable);
}

/** A directory of PATH may be missing or closed to this user: the search continues, as that of execvp(3) does. */
const PASSED_OVER = new Set(["ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG"]);

function isExecutable(file: string): boolean {
  try {
    if (!statSync(file).isFile()) return false;
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (!PASSED_OVER.has(systemCode(error) ?? "")) throw error;
    return false;
  }
}

function ancestors(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...ancestors(above)];
}
