import { existsSync, realpathSync, statfsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { newelError } from "../base/errors.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { filesBelow } from "./records.ts";

/** The least space for a release, in bytes; a release of 1.5 times the size of the last one must fit, too. */
export const LEAST_BYTES = 50_000_000;

/** The free space of the file system of a directory, in bytes. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/**
 * A job store in the directory of a release would stay there.
 *
 * @throws NEWEL_E_DEPLOY_DATA
 */
export function checkStore({ services }: ResolvedConfig, release: string): void {
  for (const { env } of services) {
    const [, path] = /^sqlite:([^?]*)/.exec(env["NEWEL_JOBS_STORE"] ?? "") ?? [];
    if (path === undefined) continue;
    const real = join(realDirectory(dirname(path)), path.slice(dirname(path).length));
    if (!relative(realpathSync(release), real).startsWith(".."))
      throw newelError("NEWEL_E_DEPLOY_DATA", { path });
  }
}

/** The real path of a directory that need not exist yet. */
function realDirectory(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(realDirectory(parent), path.slice(parent.length));
}

/** The bytes of the files below a directory. */
export function sizeOf(directory: string): number {
  return filesBelow(directory).reduce(
    (sum, file) => sum + (statSync(join(directory, file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Names of variables that a service has with another value, or that it did not have or has no longer. */
export function changedEnv(before: ResolvedConfig | undefined, after: ResolvedConfig): string[] {
  const names = new Set<string>();
  for (const { name, env } of after.services) {
    const old = before?.services.find((service) => service.name === name)?.env;
    if (old === undefined) continue;
    for (const key of new Set([...Object.keys(old), ...Object.keys(env)]))
      if (old[key] !== env[key]) names.add(key);
  }
  return [...names].sort();
}
