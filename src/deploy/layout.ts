import { join } from "node:path";

import type { Home } from "../base/home.ts";

/** The paths of the releases of one app. */
export interface Layout {
  /** The directory of all of it, below the home. */
  readonly directory: string;
  /** Each release has a directory there, with its number as the name. */
  readonly releases: string;
  /** The files that all releases share. */
  readonly shared: string;
  /** A symbolic link to the live release, for the operator: newel does not use it. */
  readonly current: string;
}

/** The layout of an app's releases in a home. */
export function layoutOf(home: Home, app: string): Layout {
  const directory = join(home.directory, "deploys", app);
  return {
    directory,
    releases: join(directory, "releases"),
    shared: join(directory, "shared"),
    current: join(directory, "current"),
  };
}

/** The directory of a release, with its tree and nothing else. */
export function releaseDirectory(layout: Layout, number: number): string {
  return join(layout.releases, String(number));
}

/** The record of a release, next to its directory. */
export function recordPath(layout: Layout, number: number): string {
  return join(layout.releases, `${number}.json`);
}

/** The output of a deploy, next to the directory of its release. */
export function logPath(layout: Layout, number: number): string {
  return join(layout.releases, `${number}.log`);
}

/** The state before the deploy of a release, while the deploy is under way; see undo-note.ts. */
export function undoPath(layout: Layout, number: number): string {
  return join(layout.releases, `${number}.undo`);
}

/** The process that fetches a release, until the process of the kernel that deploys it has been started. */
export function fetchPath(layout: Layout, number: number): string {
  return join(layout.releases, `${number}.fetch`);
}
