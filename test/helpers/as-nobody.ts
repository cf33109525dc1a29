import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { type Scope, temporaryDirectory } from "./resources.ts";

/** The user id for programs that must not run as root. */
export const NOBODY = 65_534;

const REPO = fileURLToPath(new URL("../..", import.meta.url));

/** Why tests that need another user cannot run here, for `{ skip }`; `false` when they can. */
export const withoutRoot: string | false =
  process.getuid?.() === 0 ? false : "needs root to become another user: run `sudo npm test`";

/** A directory that uid 65534 owns. */
export function nobodysDirectory(scope: Scope): string {
  const directory = temporaryDirectory(scope);
  chownSync(directory, NOBODY, NOBODY);
  return directory;
}

/**
 * Runs a program of the repo as uid 65534 and returns its output.
 *
 * @param program - relative to the repo
 */
export function runAsNobody(scope: Scope, program: string, args: readonly string[]): string {
  const repo = readableRepo(scope);
  const node = join(repo, "node_modules/node/bin/node");
  const result = spawnSync(
    existsSync(node) ? node : process.execPath,
    [join(repo, program), ...args],
    {
      uid: NOBODY,
      gid: NOBODY,
      encoding: "utf8",
      cwd: "/",
      env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" },
      timeout: 120_000,
    },
  );
  if (result.status !== 0)
    throw new Error(`${program} as nobody: ${result.status ?? result.signal}\n${result.stderr}`);
  return result.stdout;
}

/** The checkout, or a copy of the needed files if another user may not enter it. */
export function readableRepo(scope: Scope): string {
  const test = spawnSync(
    "/bin/sh",
    ["-c", 'test -r "$0" && test -x "$1"', join(REPO, "package.json"), process.execPath],
    {
      uid: NOBODY,
      gid: NOBODY,
    },
  );
  if (test.status === 0) return REPO;
  const copy = temporaryDirectory(scope, 0o755);
  for (const name of ["package.json", "src", "test"])
    cpSync(join(REPO, name), join(copy, name), { recursive: true });
  const used = [
    "bullmq",
    "cron-parser",
    "luxon",
    "msgpackr",
    "node-abort-controller",
    "semver",
    "tslib",
    "ioredis",
    "koffi",
    "@koromix",
    "valibot",
    "pino",
    "acorn",
    "node",
  ];
  for (const name of used) {
    const from = join(REPO, "node_modules", name);
    if (existsSync(from))
      cpSync(from, join(copy, "node_modules", name), { recursive: true, dereference: true });
  }
  chmodSync(dirname(join(copy, "package.json")), 0o755);
  return copy;
}
