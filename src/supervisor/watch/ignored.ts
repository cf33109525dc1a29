import { basename, matchesGlob, relative, sep } from "node:path";

/** Directories that are left out at any depth: dependencies, caches and build outputs. */
const DIRECTORIES = new Set([
  "node_modules",
  "bower_components",
  "__pycache__",
  "venv",
  "dist",
  "coverage",
]);

/** Directories that are left out directly below a watched path: further down they may hold sources. */
const TOP_DIRECTORIES = new Set(["build", "out", "target", "tmp", "temp", "log", "logs"]);

/** Files that a running program or a tool writes: logs, databases, locks, copies of editors. */
const FILES: readonly string[] = [
  "*.{log,pid,sock,tmp,temp,swp,swo,swx,bak,orig,rej,tsbuildinfo}",
  "*.{db,sqlite,sqlite3}",
  "*.{db,sqlite,sqlite3}-*",
  "*~",
  "#*#",
  "4913",
  "{package-lock.json,npm-shrinkwrap.json,yarn.lock,pnpm-lock.yaml,bun.lock}",
];

/** The input of the decision which files are left out. */
export interface IgnoreRules {
  /** The watched path, absolute. */
  readonly root: string;
  /** Patterns of the configuration: a name at any depth, or with a slash a path relative to `base`. */
  readonly patterns: readonly string[];
  /** The directory from which patterns with a slash count, absolute. */
  readonly base: string;
  /** Files of the program, absolute: the directories above them are never left out by a default. */
  readonly programs: readonly string[];
}

/** Decides about an absolute path below the root. */
export type IsIgnored = (path: string, isDirectory: boolean) => boolean;

/**
 * The rules about files that are not watched. A pattern of the configuration comes first; then the defaults:
 * names that begin with a dot, except `.env` and `.env.*`, dependencies, build outputs, logs and databases.
 */
export function ignoreRules({ root, patterns, base, programs }: IgnoreRules): IsIgnored {
  return (path, isDirectory) => {
    if (path === root) return false;
    if (patterns.some((pattern) => matchesPattern(path, pattern, base))) return true;
    const isNeeded = programs.some((program) => program.startsWith(path + sep));
    return !(isDirectory && isNeeded) && isIgnoredByDefault(path, isDirectory, root);
  };
}

function isIgnoredByDefault(path: string, isDirectory: boolean, root: string): boolean {
  const name = basename(path);
  if (name.startsWith(".")) return isDirectory || !/^\.env(?:\.|$)/.test(name);
  if (!isDirectory) return FILES.some((pattern) => matchesGlob(name, pattern));
  return DIRECTORIES.has(name) || (TOP_DIRECTORIES.has(name) && relative(root, path) === name);
}

/** Whether a path, or a directory that it is in, matches a pattern. */
function matchesPattern(path: string, pattern: string, base: string): boolean {
  const bare = pattern.replace(/\/+$/, "");
  if (!bare.includes("/")) return matchesGlob(basename(path), bare);
  const plain = bare.replace(/^\.\//, "");
  const below = relative(base, path);
  return matchesGlob(below, plain) || matchesGlob(below, `${plain}/**`);
}
