import { readlinkSync } from "node:fs";
import { basename, join } from "node:path";

import { systemCode } from "./errors.ts";
import type { Home } from "./home.ts";

/**
 * A link of a home's `runtime/`: `current` names the copy from which daemons are started, `next` the copy
 * that an upgrade is about to start.
 */
export type RuntimeLink = "current" | "next";

/** The name of the copy that a link names, whether that copy exists or not. */
export function readLink(home: Home, link: RuntimeLink): string | undefined {
  const target = readLinkAt(join(home.runtimeDirectory, link));
  return target === undefined ? undefined : basename(target);
}

/** The target of a symbolic link; `undefined` when there is none. */
function readLinkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
