// Bundles <job-progress> into one file, which a site without a bundler serves as it is.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Writes the element for browsers. */
export async function bundleElement(outfile) {
  await build({
    absWorkingDir: root,
    entryPoints: ["src/jobs/web/browser/element.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
    outfile,
  });
}
