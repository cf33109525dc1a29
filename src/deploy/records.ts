import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import * as v from "valibot";

import { systemCode } from "../base/errors.ts";
import { type Layout, recordPath } from "./layout.ts";
import { writeWhole } from "./undo-note.ts";

/** The steps of a deploy, in their order. */
const STEPS = [
  "fetch",
  "install",
  "build",
  "test",
  "check",
  "migrate",
  "switch",
  "verify",
] as const;

/** A step of a deploy. */
export type Step = (typeof STEPS)[number];

/**
 * `deploying`: under way. `live`: the app runs it. `former`: it was live. `failed`: a step failed, and the app was
 * left or brought back to the release before. `interrupted`: its process ended before it was live.
 */
export type ReleaseState = "deploying" | "live" | "former" | "failed" | "interrupted";

/** The stored record of a release, which `newel releases --json` prints. */
export interface Release {
  readonly number: number;
  readonly app: string;
  readonly state: ReleaseState;
  /** The step under way, or the one that failed. */
  readonly step: Step;
  /** Where it came from, in words: `git HEAD`, a directory, `stdin`. */
  readonly source: string;
  /** The commit, for a release of git. */
  readonly commit?: string | undefined;
  /** The absolute path of the configuration file in the directory of the release. */
  readonly file: string;
  /** When it was begun, in milliseconds since the epoch. */
  readonly beganMs: number;
  /** When it became live; missing before that. */
  readonly liveMs?: number | undefined;
  /** The user who deployed it. */
  readonly by: string;
  /** The size of its files after the build, in bytes; shared files do not count. */
  readonly bytes?: number | undefined;
  /** The release that was live when this one was deployed. */
  readonly previous?: number | undefined;
  /** Names of environment variables that differ from those of the release before; never their values. */
  readonly changedEnv?: readonly string[] | undefined;
  /** The files that it brought below the configured `assets`, relative to its directory. */
  readonly assets?: readonly string[] | undefined;
  /** Whether its `migrate` command ran to its end. */
  readonly migrated?: boolean | undefined;
  /** Why it failed. */
  readonly why?: string | undefined;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const maybe = v.exactOptional;

const releaseSchema: v.GenericSchema<unknown, Release> = v.object({
  number: count,
  app: v.string(),
  state: v.picklist(["deploying", "live", "former", "failed", "interrupted"]),
  step: v.picklist(STEPS),
  source: v.string(),
  commit: maybe(v.string()),
  file: v.string(),
  beganMs: v.number(),
  liveMs: maybe(v.number()),
  by: v.string(),
  bytes: maybe(v.number()),
  previous: maybe(count),
  changedEnv: maybe(v.array(v.string())),
  assets: maybe(v.array(v.string())),
  migrated: maybe(v.boolean()),
  why: maybe(v.string()),
});

/** Writes a record so that a crash leaves either the old or the new one. */
export function writeRelease(layout: Layout, release: Release): void {
  writeWhole(recordPath(layout, release.number), JSON.stringify(release));
}

/** The record of a release; `undefined` when there is none that can be read. */
export function readRelease(layout: Layout, number: number): Release | undefined {
  try {
    return parseRelease(readFileSync(recordPath(layout, number), "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A record from its text; `undefined` when it is none. */
export function parseRelease(text: string): Release | undefined {
  try {
    const parsed = v.safeParse(releaseSchema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The numbers of all releases that have a directory or a record, or that are being fetched, ascending. */
export function releaseNumbers(layout: Layout): readonly number[] {
  const numbers = new Set<number>();
  for (const name of namesIn(layout.releases)) {
    const [, digits] = /^(\d+)(?:\.json|\.fetch)?$/.exec(name) ?? [];
    if (digits !== undefined) numbers.add(Number(digits));
  }
  return [...numbers].sort((a, b) => a - b);
}

/** The records of an app's releases, the oldest first. */
export function readReleases(layout: Layout): readonly Release[] {
  return releaseNumbers(layout).flatMap((number) => readRelease(layout, number) ?? []);
}

/** The names in a directory, none when it does not exist. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** The paths of all files below a directory, relative to it; symbolic links are not followed. */
export function filesBelow(directory: string, below = ""): string[] {
  const files: string[] = [];
  let entries;
  try {
    entries = readdirSync(join(directory, below), { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return files;
    throw error;
  }
  for (const entry of entries) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) files.push(...filesBelow(directory, path));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}
