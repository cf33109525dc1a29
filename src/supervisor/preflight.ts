import { accessSync, constants, type Stats, statSync } from "node:fs";
import { extname, isAbsolute, resolve } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import { processEnvironment } from "./config/environment.ts";
import type { ResolvedService } from "./config/resolved.ts";

/**
 * Checks that a service can be started: its directory, its program, the file of a Node service.
 *
 * @throws NEWEL_E_CANNOT_START that names the path and what is wrong with it
 */
export function checkStartable(spec: ResolvedService): void {
  const why = startProblem(spec);
  if (why !== undefined) throw newelError("NEWEL_E_CANNOT_START", { service: spec.name, why });
}

function startProblem(spec: ResolvedService): string | undefined {
  const { command, cwd } = spec;
  // A dependency that has to be completed first may build all of it.
  if (Object.values(spec.dependsOn).includes("completed")) return undefined;
  const directory = directoryProblem(cwd);
  if (directory !== undefined) return directory;
  switch (command.kind) {
    case "node":
      return (
        nodeProblem(command.nodePath, spec) ??
        (isEntry(command.file) ? undefined : `its file ${command.file} does not exist`)
      );
    case "exec":
      return programProblem(command.program ?? command.args[0] ?? "", spec);
    case "shell":
      return undefined;
  }
}

function directoryProblem(cwd: string): string | undefined {
  const found = statsOf(cwd);
  if (found === undefined) return `its directory ${cwd} does not exist`;
  if (!found.isDirectory()) return `${cwd} is not a directory`;
  return isAllowed(cwd, constants.X_OK) ? undefined : `its directory ${cwd} may not be entered`;
}

/** A Node.js that was uninstalled since the last `newel up`. */
function nodeProblem(node: string, spec: ResolvedService): string | undefined {
  if (!isAbsolute(node) || statsOf(node) !== undefined) return programProblem(node, spec);
  return `its Node.js ${node} was not found (\`newel up\` takes the one that runs it, unless the configuration names another)`;
}

/** Searched as the kernel does at the start: in the PATH of the service, relative to its directory. */
function programProblem(program: string, spec: ResolvedService): string | undefined {
  const { cwd } = spec;
  // A reference is replaced by the kernel: its value is unknown here.
  if (program.includes("$(")) return undefined;
  const candidates = program.includes("/")
    ? [isAbsolute(program) ? program : resolve(cwd, program)]
    : (processEnvironment(spec)["PATH"] ?? "")
        .split(":")
        .map((entry) => resolve(cwd, entry, program));
  const files = candidates.filter((file) => statsOf(file)?.isFile());
  if (files.some((file) => isAllowed(file, constants.X_OK))) return undefined;
  const [file] = files;
  if (file !== undefined) return `its program ${file} is not executable`;
  const where = program.includes("/") ? "" : " in its PATH";
  return `its program ${program} was not found${where}`;
}

/** `node server` finds server.js, and `node .` the main file of a directory. */
function isEntry(file: string): boolean {
  const names =
    extname(file) === "" ? [file, `${file}.js`, `${file}.json`, `${file}.node`] : [file];
  return names.some((name) => statsOf(name) !== undefined);
}

/** `undefined` for a path that is missing, goes through a file, or may not be read. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (["ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG"].includes(systemCode(error) ?? ""))
      return undefined;
    throw error;
  }
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
