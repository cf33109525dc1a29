import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { packageVersion } from "./version.ts";

/** A build of newel's programs, named by its version and its content. */
export interface Build {
  /** The name, such as `0.1.0-3fa9c2d1e4b7`; the directory of the build in a home has the same name. */
  readonly name: string;
  readonly version: string;
}

/** The build this code belongs to, with the files that a home gets a copy of. */
export interface OwnBuild extends Build {
  /** The directory of those files; absent when this code runs from such a copy. */
  readonly source: string | undefined;
  /** The size of each file in bytes, by its path below `source`. */
  readonly files: Readonly<Record<string, number>>;
}

const MANIFEST = new URL("../build.json", import.meta.url);
const SOURCE = fileURLToPath(new URL("../runtime", import.meta.url));

/** The build this code belongs to; `undefined` when it runs from the sources. */
export function ownBuild(): OwnBuild | undefined {
  if (import.meta.url.endsWith(".ts")) return undefined;
  const { hash, files } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
    readonly hash: string;
    readonly files: Readonly<Record<string, number>>;
  };
  const version = packageVersion();
  const source = existsSync(SOURCE) ? SOURCE : undefined;
  return { name: `${version}-${hash}`, version, source, files };
}

/** Reads the name of a copy's directory; `undefined` for any other name. */
export function parseBuildName(name: string): Build | undefined {
  const version = /^(\d+\.\d+\.\d+.*)-[0-9a-f]{12}$/.exec(name)?.[1];
  return version === undefined ? undefined : { name, version };
}

/**
 * Compares versions by the order of semantic versioning: negative when `a` is older than `b`. Build metadata
 * is ignored.
 */
export function compareVersions(a: string, b: string): number {
  const [one, two] = [readVersion(a), readVersion(b)];
  for (const [index, number] of one.numbers.entries()) {
    const difference = number - (two.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrereleases(one.prerelease, two.prerelease);
}

interface Version {
  readonly numbers: readonly number[];
  /** The prerelease identifiers; empty for a release. */
  readonly prerelease: readonly string[];
}

function readVersion(text: string): Version {
  const [version = ""] = text.split("+");
  const [numbers = "", ...rest] = version.split("-");
  const prerelease = rest.join("-");
  return {
    numbers: numbers.split(".").map(Number),
    prerelease: prerelease === "" ? [] : prerelease.split("."),
  };
}

/** A release is newer than its prereleases; numbers are older than words. */
function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (const [index, word] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (word === other) continue;
    const [isNumber, otherIsNumber] = [/^\d+$/.test(word), /^\d+$/.test(other)];
    if (isNumber && otherIsNumber) return Number(word) - Number(other);
    if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
    return word < other ? -1 : 1;
  }
  return a.length - b.length;
}
