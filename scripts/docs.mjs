// Builds the site of the docs into docs/.vitepress/dist. A dead link between pages fails the build.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

const root = join(import.meta.dirname, "..");
const program = join(root, "node_modules/vitepress/bin/vitepress.js");
const { status } = spawnSync(process.execPath, [program, "build", join(root, "docs")], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
