import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, resolve } from "node:path";

/** The start of a worker process that ends with its parent. */
export interface ParentDeath {
  readonly command: string;
  readonly wrapper: readonly string[];
  /** For the environment: the worker itself must arrange its end. */
  readonly mark: Readonly<Record<string, string | undefined>>;
}

let parentDeath: ParentDeath | undefined;

/**
 * The means by which a worker ends with its parent even while its event loop is blocked. setpriv
 * (of util-linux) asks the kernel for it and then becomes the worker, which costs a millisecond;
 * without it the worker must load the FFI library for that one call, 15 ms and 10 MB.
 */
export function dieWithParent(): ParentDeath {
  parentDeath ??= findParentDeath();
  return parentDeath;
}

const FLAGS = ["--pdeathsig", "KILL", "--"];

function findParentDeath(): ParentDeath {
  const bare = { command: process.execPath, wrapper: [] };
  if (process.platform !== "linux") return { ...bare, mark: {} };
  const setpriv = findSetpriv();
  return setpriv === undefined
    ? { ...bare, mark: { NEWEL_POOL_PDEATHSIG: "1" } }
    : { command: setpriv, wrapper: [...FLAGS, process.execPath], mark: {} };
}

/**
 * The path of the setpriv of util-linux: the workers' own `PATH` need not lead to it. The one of
 * BusyBox, and of util-linux before 2.33, lacks the flag.
 */
function findSetpriv(): string | undefined {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = resolve(directory, "setpriv");
    if (isExecutable(file)) return hasFlag(file) ? file : undefined;
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // No such file, or not for this user: the search continues, as that of a shell.
    return false;
  }
}

/** Reads the program instead of running it: on a busy machine a run takes as long as the start of a worker. */
function hasFlag(file: string): boolean {
  try {
    if (readFileSync(file).includes("pdeathsig")) return true;
  } catch {
    // A program may be executable without being readable, and a directory is not one.
  }
  // Possibly a script that runs the program.
  return spawnSync(file, [...FLAGS, "true"], { stdio: "ignore" }).status === 0;
}
