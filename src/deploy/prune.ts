import { rmSync } from "node:fs";

import {
  fetchPath,
  type Layout,
  logPath,
  recordPath,
  releaseDirectory,
  undoPath,
} from "./layout.ts";
import { type Release, readReleases } from "./records.ts";

/**
 * The releases to remove so that `keep` are left: the oldest first, never the live one, the last one that was live
 * before it, or one that is being deployed.
 */
export function releasesToPrune(releases: readonly Release[], keep: number): readonly Release[] {
  const former = releases
    .filter(({ state }) => state === "former")
    .sort((a, b) => (b.liveMs ?? 0) - (a.liveMs ?? 0));
  const [previous] = former;
  const removable = releases.filter(
    (release) => release.state !== "live" && release.state !== "deploying" && release !== previous,
  );
  const excess = Math.max(0, releases.length - keep);
  return removable.sort((a, b) => a.number - b.number).slice(0, excess);
}

/** Removes old releases with their records and logs. */
export function pruneReleases(layout: Layout, keep: number): void {
  for (const { number } of releasesToPrune(readReleases(layout), keep)) {
    removeRelease(layout, number);
  }
}

/** Removes a release with its files. The record goes last, so that a crash in between leaves a release to prune. */
export function removeRelease(layout: Layout, number: number): void {
  rmSync(releaseDirectory(layout, number), { recursive: true, force: true });
  for (const path of [logPath, undoPath, fetchPath, recordPath])
    rmSync(path(layout, number), { force: true });
}
