import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The suffixes of `newel.config` in the name of a configuration, in order of preference. */
export const CONFIG_EXTENSIONS: readonly string[] = [".ts", ".mts", ".js", ".mjs", ".json"];

/**
 * The directory of the project that a directory belongs to: the nearest directory with a `newel.config.*`,
 * upwards from the given one; without a configuration the nearest one with a package.json; without either the
 * given directory itself.
 */
export function projectDirectory(cwd: string): string {
  const configs = CONFIG_EXTENSIONS.map((extension) => `newel.config${extension}`);
  const here = resolve(cwd);
  return nearest(here, configs) ?? nearest(here, ["package.json"]) ?? here;
}

function nearest(directory: string, names: readonly string[]): string | undefined {
  if (names.some((name) => existsSync(join(directory, name)))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : nearest(parent, names);
}
