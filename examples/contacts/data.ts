import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where the site keeps everything. Site and job server are started in the same directory. */
const DATA: string = resolve(process.env["DATA"] ?? "data");

/** A place in it, whose directory is there. */
export function dataPath(...names: readonly string[]): string {
  const path = join(DATA, ...names);
  mkdirSync(join(path, ".."), { recursive: true });
  return path;
}

/** Where the jobs are. */
export const STORE = `sqlite:${dataPath("jobs.db")}`;
