import { fileURLToPath } from "node:url";

/**
 * The path of a module that is started as a program of its own: `.ts` when this runs from the sources,
 * `.js` when it runs from the built package.
 *
 * @param name - from the root of the sources, without its extension: `'kernel/main'`
 */
export function programPath(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`../${name}${extension}`, import.meta.url));
}
