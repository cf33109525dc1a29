import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import { makeDirectory } from "../base/make-directory.ts";
import { formatSize } from "../base/units.ts";
import { look } from "../kernel/proc.ts";
import { findConfig } from "../supervisor/config/find.ts";
import { freeBytes, LEAST_BYTES } from "./check-release.ts";
import { fetchPath, type Layout, releaseDirectory } from "./layout.ts";
import { removeRelease } from "./prune.ts";
import {
  readRelease,
  type Release,
  readReleases,
  releaseNumbers,
  writeRelease,
} from "./records.ts";
import { describeSource, fetchSource, type Source } from "./source.ts";

/**
 * Fetches a source into a new release and writes its record. Call {@link fetched} once its deploy has a process of the
 * kernel: until then this process stands for it, and the release is abandoned when this process ends.
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
    mkdirSync(directory);
    const top = await fetchSource(source, directory, app);
    const release: Release = {
      number,
      app,
      state: "deploying",
      step: "fetch",
      source: describeSource(source),
      ...(source.kind === "directory" || source.commit === undefined
        ? {}
        : { commit: source.commit }),
      file: findConfig(join(top, below), undefined),
      beganMs: Date.now(),
      by: userInfo().username,
    };
    writeRelease(layout, release);
    return release;
  } catch (error) {
    removeRelease(layout, number);
    throw error;
  }
}

/** The deploy of a release has a process of the kernel now. */
export function fetched(layout: Layout, { number }: Release): void {
  rmSync(fetchPath(layout, number), { force: true });
}

/** Removes releases that were fetched by a process that has ended before a deploy began. */
export function removeAbandoned(layout: Layout): void {
  for (const number of releaseNumbers(layout)) {
    const record = readRelease(layout, number);
    if (isBeingFetched(layout, number)) continue;
    if (record === undefined) removeRelease(layout, number);
    else fetched(layout, record);
  }
}

/** Whether the process that fetches a release, or starts its deploy, is running. */
export function isBeingFetched(layout: Layout, number: number): boolean {
  try {
    const [pid, startTicks] = readFileSync(fetchPath(layout, number), "utf8")
      .split(" ")
      .map(Number);
    return pid !== undefined && look(pid)?.startTicks === startTicks;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Takes the next number by making the file that names this process, with its content in one step: two deploys that
 * begin at once get two numbers, and a number never lacks its process.
 */
function takeNumber(layout: Layout): number {
  const own = join(layout.releases, `.fetch-${process.pid}-${Math.random().toString(36).slice(2)}`);
  writeFileSync(own, `${process.pid} ${look(process.pid)?.startTicks ?? 0}`, { mode: 0o600 });
  try {
    for (;;) {
      const number = (releaseNumbers(layout).at(-1) ?? 0) + 1;
      try {
        linkSync(own, fetchPath(layout, number));
        return number;
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw error;
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function checkSpace(layout: Layout): void {
  const free = freeBytes(layout.releases);
  const last = readReleases(layout).findLast(({ bytes }) => bytes !== undefined)?.bytes ?? 0;
  const needed = Math.max(LEAST_BYTES, Math.round(last * 1.5));
  if (free < needed)
    throw newelError("NEWEL_E_DEPLOY_DISK", {
      path: layout.releases,
      free: formatSize(free),
      needed: formatSize(needed),
    });
}
