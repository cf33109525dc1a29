import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where the site and the handlers of its jobs keep things; the jobs themselves are there too by default. */
const DATA: string = resolve(process.env["DATA"] ?? "data");

/** A place in it, whose directory is there. */
export function dataPath(...names: readonly string[]): string {
  const path = join(DATA, ...names);
  mkdirSync(join(path, ".."), { recursive: true });
  return path;
}
