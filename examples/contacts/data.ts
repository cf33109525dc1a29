import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** The directory for the files of the site and of the handlers; by default it holds the jobs too. */
const DATA: string = resolve(process.env["DATA"] ?? "data");

/** A place in it, whose directory is there. */
export function dataPath(...names: readonly string[]): string {
  const path = join(DATA, ...names);
  mkdirSync(join(path, ".."), { recursive: true });
  return path;
}
