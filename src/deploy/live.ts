import { readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";

import { systemCode } from "../base/errors.ts";
import type { Layout } from "./layout.ts";
import { type Release, readReleases, writeRelease } from "./records.ts";
import { removeUndoNote } from "./undo-note.ts";

/**
 * Records that a release is live. The record of the release is written first: it decides, and the rest follows from it
 * in {@link settleLive}, also after a crash between the two.
 */
export function makeLive(layout: Layout, release: Release): Release {
  const latest = Math.max(0, ...readReleases(layout).map(({ liveMs = 0 }) => liveMs));
  // The order of releases must not depend on steps of the wall clock.
  const liveMs = Math.max(Date.now(), latest + 1);
  const live: Release = { ...release, state: "live", liveMs };
  writeRelease(layout, live);
  settleLive(layout);
  return live;
}

/**
 * If several releases are recorded as live, the live one is the one that became live last; `current` links to
 * it.
 */
export function settleLive(layout: Layout): void {
  const live = readReleases(layout)
    .filter(({ state }) => state === "live")
    .sort((a, b) => (b.liveMs ?? 0) - (a.liveMs ?? 0));
  const [now, ...others] = live;
  if (now === undefined) return;
  for (const other of others) writeRelease(layout, { ...other, state: "former" });
  removeUndoNote(layout, now.number);
  pointTo(layout.current, dirname(now.file));
}

/** Replaces a symbolic link in one step. */
function pointTo(link: string, target: string): void {
  if (targetOf(link) === target) return;
  const temporary = `${link}.new`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
