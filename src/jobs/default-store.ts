import { join, resolve } from "node:path";

import { projectDirectory } from "../base/project.ts";

/** The path of the default store below the directory of the project. */
const DEFAULT_PATH = join("data", "jobs.db");

/**
 * The URL of the default store: `data/jobs.db` in the directory of the nearest `newel.config.*`,
 * else of the nearest package.json, else in the directory itself. Programs that start in different directories of
 * one project find the same file.
 *
 * @param directory - absolute
 */
export function defaultStore(directory: string): string {
  return fileStore(join(projectDirectory(directory), DEFAULT_PATH));
}

/** The URL of a store with the path of its file made absolute; other URLs stay as they are. */
export function absoluteStore(url: string, directory: string): string {
  const [, path, query = ""] = /^sqlite:([^/?][^?]*)(\?.*)?$/.exec(url) ?? [];
  return path === undefined
    ? url
    : `${fileStore(resolve(directory, decodeURIComponent(path)))}${query}`;
}

function fileStore(path: string): string {
  return `sqlite:${path.replaceAll(/[%?#]/g, encodeURIComponent)}`;
}
