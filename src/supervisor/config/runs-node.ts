import { closeSync, openSync, readSync, realpathSync } from "node:fs";
import { basename, isAbsolute, resolve } from "node:path";

import { systemCode } from "../../base/errors.ts";
import { binDirectories, findProgram } from "./programs.ts";

/** Programs that are or start Node.js, wherever they are installed. */
const KNOWN = new Set([
  "node",
  "nodejs",
  "npm",
  "npx",
  "pnpm",
  "pnpx",
  "yarn",
  "yarnpkg",
  "corepack",
]);
/** How much of a script is read, in bytes. */
const SCRIPT_BYTES = 16_384;

/**
 * Whether a `run` starts Node.js programs, as `npm start` or `tsx server.ts` do: such a service has the
 * preload, which asks where a socket may listen. A program that is not recognised counts as another one.
 *
 * @param run - a line for /bin/sh, whose last commands decide, or the words of one command
 */
export function runsNode(
  run: string | readonly string[],
  cwd: string,
  path: string | undefined,
): boolean {
  const commands = typeof run === "string" ? lastCommands(run) : [run[0] ?? ""];
  return commands.some((command) => {
    const program = typeof run === "string" ? firstWord(command) : command;
    return program !== undefined && isNode(program, cwd, path);
  });
}

/** The commands at the end of a line: earlier commands, such as a migration, do not serve. */
function lastCommands(line: string): string[] {
  const last = line
    .trim()
    .split(/&&|\|\||[;\n]/)
    .findLast((part) => part.trim() !== "");
  return (last ?? "").split(/[|&]/);
}

/** The program of a command: past assignments, and words that execute the next one. */
function firstWord(command: string): string | undefined {
  const words = command.trim().split(/\s+/);
  const word = words.find((each) => !/^\w+=/.test(each) && each !== "exec" && each !== "env");
  return word?.replaceAll(/["']/g, "");
}

function isNode(program: string, cwd: string, path: string | undefined): boolean {
  if (KNOWN.has(basename(program))) return true;
  const searched = [...binDirectories(cwd), path ?? ""].join(":");
  const file = program.includes("/")
    ? isAbsolute(program)
      ? program
      : resolve(cwd, program)
    : findProgram(program, searched, cwd);
  if (file === undefined) return false;
  try {
    return KNOWN.has(basename(realpathSync(file))) || isNodeScript(beginningOf(file));
  } catch (error) {
    // A file that is not there or may not be read is reported when it is started.
    if (["ENOENT", "EACCES", "ENOTDIR", "ELOOP", "EISDIR"].includes(systemCode(error) ?? ""))
      return false;
    throw error;
  }
}

/** A script of Node.js, or of a shell that starts it, as pnpm's wrappers do. */
function isNodeScript(text: string): boolean {
  const [first = "", ...rest] = text.split("\n");
  if (!first.startsWith("#!")) return false;
  if (/\bnode\b/.test(first)) return true;
  const isShell = /\b(?:sh|bash|dash|zsh|ash)\b/.test(first);
  return isShell && rest.some((line) => !/^\s*#/.test(line) && startsNode(line));
}

function startsNode(line: string): boolean {
  return /(?:^|[\s;&|(/"])(?:node|npm|npx|pnpm|yarn|tsx)(?:["\s]|$)/.test(line);
}

function beginningOf(file: string): string {
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(SCRIPT_BYTES);
    return bytes.toString("latin1", 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
