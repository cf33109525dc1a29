import { fileURLToPath } from "node:url";

/**
 * The path of a sibling module that is started as a program of its own: `.ts` when this runs from
 * the sources, `.js` when it runs from the built package.
 *
 * @param name - relative to the caller, without its extension: `'./main'`
 * @param from - the caller's `import.meta.url`
 */
export function programPath(name: string, from: string): string {
  const extension = from.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(name + extension, from));
}
