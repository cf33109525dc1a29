import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import { makeDirectory } from "../base/make-directory.ts";
import { formatSize } from "../base/units.ts";
import { findConfig } from "../supervisor/config/find.ts";
import { type Layout, releaseDirectory } from "./layout.ts";
import { type Release, readReleases, releaseNumbers } from "./records.ts";
import { describeSource, fetchSource, type Source } from "./source.ts";

/** The least space for a release, in bytes; a release of 1.5 times the size of the last one must fit, too. */
const LEAST_BYTES = 50_000_000;

/**
 * Fetches a source into a new release. The process that deploys it writes its record: a release whose record says
 * that it is being deployed has a process, unless that process was killed.
 *
 * @param below - the directory of the configuration, relative to the top of the source
 * @throws NEWEL_E_DEPLOY_DISK when the disk has not enough space for it
 * @throws NEWEL_E_DEPLOY_SOURCE when it cannot be read or written
 * @throws NEWEL_E_CONFIG_MISSING when it has no configuration
 */
export async function prepareRelease(
  layout: Layout,
  source: Source,
  { app, below }: { readonly app: string; readonly below: string },
): Promise<Release> {
  makeDirectory(layout.releases, 0o700);
  makeDirectory(layout.shared, 0o700);
  checkSpace(layout);
  const number = takeNumber(layout);
  const directory = releaseDirectory(layout, number);
  try {
    const top = await fetchSource(source, directory, app);
    return {
      number,
      app,
      state: "deploying",
      step: "fetch",
      source: describeSource(source),
      ...(source.kind === "git" ? { commit: source.commit } : {}),
      file: findConfig(join(top, below), undefined),
      beganMs: Date.now(),
      by: userInfo().username,
    };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Takes the next number by making its directory: two deploys that begin at once get two numbers. */
function takeNumber(layout: Layout): number {
  for (;;) {
    const number = (releaseNumbers(layout).at(-1) ?? 0) + 1;
    try {
      mkdirSync(releaseDirectory(layout, number));
      return number;
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }
}

function checkSpace(layout: Layout): void {
  const { bavail, bsize } = statfsSync(layout.releases);
  const free = bavail * bsize;
  const last = readReleases(layout).findLast(({ bytes }) => bytes !== undefined)?.bytes ?? 0;
  const needed = Math.max(LEAST_BYTES, Math.round(last * 1.5));
  if (free < needed)
    throw newelError("NEWEL_E_DEPLOY_DISK", {
      path: layout.releases,
      free: formatSize(free),
      needed: formatSize(needed),
    });
}
