// Bundles the page of the dashboard: one script with Preact in it, and one style sheet. The files are written under
// other names and renamed, so that a program that starts at the same time never reads half of one.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { buildSync } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where programs that run from the sources find the page (src/dashboard/files.ts). */
const CACHED = join(root, "node_modules/.cache/newel/dashboard");

/**
 * Writes `app.js` and `app.css`.
 *
 * @returns the packages that are in the script, as paths of their modules
 */
export function buildDashboard(directory = CACHED) {
  mkdirSync(directory, { recursive: true });
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: { app: "src/dashboard/browser/main.tsx", style: "src/dashboard/browser/app.css" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
    write: false,
    metafile: true,
    outdir: directory,
  });
  for (const { path, contents } of outputFiles) {
    const name = path.endsWith(".css") ? "app.css" : "app.js";
    const fresh = join(directory, `${name}.${process.pid}`);
    writeFileSync(fresh, contents);
    renameSync(fresh, join(directory, name));
  }
  return Object.keys(metafile.inputs).filter((input) => input.includes("node_modules/"));
}
