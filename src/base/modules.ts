import { fileURLToPath } from "node:url";

import { PRELOAD_FILE } from "./node-options.ts";

/**
 * The path of a module that is started as a separate program: `.ts` when this runs from the sources, `.js`
 * when it runs from the built package.
 *
 * @param name - the path from the root of the sources, without extension: `'kernel/main'`
 */
export function programPath(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`../${name}${extension}`, import.meta.url));
}

/**
 * The path of the preload, one CommonJS file that scripts/preload.mjs builds: in `dist/`, and for
 * programs that run from the sources in the cache of node_modules.
 */
export function preloadPath(): string {
  const directory = import.meta.url.endsWith(".ts")
    ? "../../node_modules/.cache/newel"
    : "../register";
  return fileURLToPath(new URL(`${directory}/${PRELOAD_FILE}`, import.meta.url));
}
