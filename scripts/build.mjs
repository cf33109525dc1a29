// Builds dist/ from src/ with the TypeScript compiler, under another name, then puts it in its place:
// a newel that runs from dist/ never finds half of it. Runs on any Node.js that can run the compiler.
// The preload is built by esbuild, for dist/ and for programs that run from the sources.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const dist = join(root, "dist");

// What runs in Node.js, and what runs in browsers.
const PROJECTS = ["tsconfig.build.json", "src/jobs/web/browser/tsconfig.json"];

if (existsSync(join(modules, "typescript")) && existsSync(join(modules, "esbuild"))) {
  const { buildPreload } = await import("./preload.mjs");
  const { bundleRuntime } = await import("./bundle.mjs");
  await build(buildPreload, bundleRuntime);
  if (process.platform !== "win32") linkCommand();
} else console.error("newel: TypeScript or esbuild is not installed, so dist/ is left as it is.");

async function build(buildPreload, bundleRuntime) {
  const fresh = join(modules, `.newel-build-${process.pid}`);
  const old = join(modules, `.newel-old-${process.pid}`);
  const compiler = join(modules, "typescript", "bin", "tsc");
  for (const project of PROJECTS) {
    const args = [compiler, "-p", join(root, project), "--noEmit", "false", "--outDir", fresh];
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
    if (status !== 0) {
      rmSync(fresh, { recursive: true, force: true });
      process.exit(status === null ? 1 : status);
    }
  }
  buildPreload();
  buildPreload(join(fresh, "register", "newel-preload.cjs"));
  writeFileSync(join(fresh, "register", "newel-preload.d.cts"), "export {};\n");
  await bundleRuntime(root, fresh);
  chmodSync(join(fresh, "cli", "main.js"), 0o755);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}

/**
 * npm links the commands of dependencies, not that of the package itself: with this link `npx newel`
 * works in a clone as it does where newel is installed.
 */
function linkCommand() {
  const link = join(modules, ".bin", "newel");
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join("..", "..", "dist", "cli", "main.js"), link);
}
