// Builds the preload: one CommonJS file, whose syntax every Node.js since version 6 can read and which
// returns at once below version 20. The file is written under another name and renamed, so that a
// process that starts at the same time never reads half of it.
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { buildSync } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where programs that run from the sources find the preload (src/base/modules.ts). */
const CACHED = join(root, "node_modules/.cache/newel/newel-preload.cjs");

function bundle(name, options) {
  return buildSync({
    absWorkingDir: root,
    entryPoints: [`src/register/${name}.ts`],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "es2015",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });
}

export function buildPreload(file = CACHED) {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  const [serving] = bundle("serving", { write: false }).outputFiles;
  bundle("register", {
    outfile: fresh,
    define: { SERVING_SOURCE: JSON.stringify(serving.text) },
    banner: { js: '"use strict"; if (parseInt(process.versions.node, 10) < 20) return;' },
  });
  renameSync(fresh, file);
}
