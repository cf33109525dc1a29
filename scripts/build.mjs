// Builds dist/ from src/ with the TypeScript compiler, beside the old one, then puts it in its place:
// a newel that runs from dist/ never finds half of it. Runs on any Node.js that can run the compiler.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const fresh = join(root, "node_modules", `.newel-build-${process.pid}`);
const old = join(root, "node_modules", `.newel-old-${process.pid}`);

if (existsSync(join(root, "node_modules", "typescript"))) build();
else console.error("newel: TypeScript is not installed, so dist/ is left as it is.");

function build() {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const project = join(root, "tsconfig.build.json");
  const { status } = spawnSync(process.execPath, [compiler, "-p", project, "--outDir", fresh], {
    stdio: "inherit",
  });
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    process.exit(status === null ? 1 : status);
  }
  chmodSync(join(fresh, "cli", "main.js"), 0o755);
  mkdirSync(join(root, "node_modules"), { recursive: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}
