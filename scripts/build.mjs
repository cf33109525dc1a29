// Builds dist/ from src/ under another name, then puts it in its place: a newel that runs from dist/ never finds half
// of it. The TypeScript compiler writes the types and the modules for browsers, esbuild the bundles for Node.js
// (scripts/chunks.mjs, scripts/bundle.mjs) and the preload, for dist/ and for programs that run from the sources.
// Runs on any Node.js that can run the compiler.
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

// The sources for Node.js, of which only the types are used, and those for browsers.
const PROJECTS = [
  ["tsconfig.build.json", "--emitDeclarationOnly"],
  ["src/jobs/web/browser/tsconfig.json"],
];

if (existsSync(join(modules, "typescript")) && existsSync(join(modules, "esbuild"))) {
  const { buildPreload } = await import("./preload.mjs");
  const { buildDashboard } = await import("./dashboard.mjs");
  const { bundleElement } = await import("./element.mjs");
  const { bundlePackage } = await import("./chunks.mjs");
  const { bundleRuntime, licenses } = await import("./bundle.mjs");
  const { pruneTypes } = await import("./types.mjs");
  await build({
    buildDashboard,
    buildPreload,
    bundleElement,
    bundlePackage,
    bundleRuntime,
    licenses,
    pruneTypes,
  });
  if (process.platform !== "win32") linkCommand();
} else console.error("newel: TypeScript or esbuild is not installed, so dist/ is left as it is.");

async function build(steps) {
  const { buildDashboard, buildPreload, bundleElement, bundlePackage, bundleRuntime } = steps;
  const { licenses, pruneTypes } = steps;
  const fresh = join(modules, `.newel-build-${process.pid}`);
  const old = join(modules, `.newel-old-${process.pid}`);
  const compiler = join(modules, "typescript", "bin", "tsc");
  for (const [project, ...options] of PROJECTS) {
    const where = ["-p", join(root, project), "--outDir", fresh];
    const args = [compiler, ...where, "--noEmit", "false", ...options];
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
    if (status !== 0) {
      rmSync(fresh, { recursive: true, force: true });
      process.exit(status === null ? 1 : status);
    }
  }
  buildPreload();
  buildPreload(join(fresh, "register", "newel-preload.cjs"));
  writeFileSync(join(fresh, "register", "newel-preload.d.cts"), "export {};\n");
  await bundleElement(join(fresh, "jobs", "web", "browser", "element.js"));
  buildDashboard();
  const inPage = buildDashboard(join(fresh, "dashboard"));
  const inlined = [...(await bundlePackage(root, fresh)), ...inPage];
  writeFileSync(join(fresh, "LICENSES"), licenses(root, inlined));
  await bundleRuntime(root, fresh);
  pruneTypes(root, fresh);
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
