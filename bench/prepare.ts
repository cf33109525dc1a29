import { spawnSync } from "node:child_process";
import { existsSync, globSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT: string = fileURLToPath(new URL("..", import.meta.url));

/** The directory of the benches, with a separate package for the peers that newel is compared with. */
export const BENCH_DIRECTORY: string = join(ROOT, "bench");

/** Builds dist/ when it is missing or older than a source: users run that, so it is measured. */
export function prepareDist(): void {
  const built = join(ROOT, "dist/cli/main.js");
  const builtMs = existsSync(built) ? statSync(built).mtimeMs : 0;
  const sources = globSync("src/**/*.ts", { cwd: ROOT });
  if (sources.every((source) => statSync(join(ROOT, source)).mtimeMs < builtMs)) return;
  console.error("dist/ is older than src/: building it.");
  run([join(ROOT, "scripts/build.mjs")], ROOT);
}

/** Installs the peers where they are missing, or others than the lockfile says. */
export function preparePeers(): void {
  const installed = join(BENCH_DIRECTORY, "node_modules", ".package-lock.json");
  const lock = join(BENCH_DIRECTORY, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error("The programs to compare with are not installed: npm ci in bench/.");
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-fund", "--no-audit"], {
    cwd: BENCH_DIRECTORY,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`npm ci in bench/ ended with ${status}`);
}

function run(args: readonly string[], cwd: string): void {
  const { status } = spawnSync(process.execPath, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`);
}

/** The path of a built program: `cli/main`. */
export function distProgram(name: string): string {
  return join(ROOT, "dist", `${name}.js`);
}

/**
 * A built module, typed by its source.
 *
 * @example fromDist<typeof import("../src/base/home.ts")>("base/home")
 */
export async function fromDist<Module>(name: string): Promise<Module> {
  return (await import(distProgram(name))) as Module;
}

/** A module that newel is measured against; only bench/package.json has it. */
export async function peer(name: string): Promise<unknown> {
  return import(name);
}
