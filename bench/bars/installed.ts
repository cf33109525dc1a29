import { spawnSync } from "node:child_process";
import { readdirSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryDirectory } from "../../test/helpers/resources.ts";
import { killProcessesOf } from "../../test/load/leftovers.ts";
import type { Ends } from "../../test/load/scope.ts";
import { BENCH_DIRECTORY } from "../prepare.ts";

const ROOT = join(BENCH_DIRECTORY, "..");
/** The unit in which a file system counts the size of a file. */
const BLOCK_BYTES = 512;

/** newel as `npm i newel` installs it from the packed package. */
export interface Installed {
  readonly directory: string;
  /** The program behind the command `newel`. */
  readonly command: string;
  readonly packages: number;
  /** The size of the installation on the disk, in bytes. */
  readonly diskBytes: number;
}

let installed: Installed | undefined;

/** Packs and installs newel, once a run. The directory stays until the run ends. */
export function installedNewel(scope: Ends): Installed {
  installed ??= install(
    temporaryDirectory({ after: (end) => void process.once("exit", () => void end()) }),
  );
  const { directory } = installed;
  scope.after(async () => void (await killProcessesOf(directory)));
  return installed;
}

function install(directory: string): Installed {
  const packed = npm(ROOT, "pack", "--ignore-scripts", "--pack-destination", directory);
  writeFileSync(join(directory, "package.json"), '{ "private": true, "type": "module" }\n');
  npm(directory, "install", "--ignore-scripts", join(directory, packed));
  const modules = join(directory, "node_modules");
  const lock = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")) as {
    packages: Record<string, unknown>;
  };
  return {
    directory,
    command: join(modules, "newel/dist/cli/main.js"),
    packages: Object.keys(lock.packages).length,
    diskBytes: diskBytes(modules),
  };
}

function npm(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("npm", [...args, "--no-audit", "--no-fund"], {
    cwd,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm ${args.join(" ")}: ${stderr}`);
  return stdout.trim().split("\n").at(-1) ?? "";
}

function diskBytes(path: string): number {
  const stats = lstatSync(path);
  const own = stats.blocks * BLOCK_BYTES;
  if (!stats.isDirectory()) return own;
  return readdirSync(path).reduce((sum, name) => sum + diskBytes(join(path, name)), own);
}
