/** dist/ as the sources are now. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, statSync } from "node:fs";
import { join } from "node:path";

/** Builds dist/ when it is missing or a source is newer; ends the program when that fails. */
export function buildIfOlder(root: string): void {
  const sources = globSync("src/**/*.{ts,tsx,cts}", { cwd: root });
  const newest = Math.max(...sources.map((file) => statSync(join(root, file)).mtimeMs));
  const built = join(root, "dist/index.d.ts");
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return;
  const { status } = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
}
