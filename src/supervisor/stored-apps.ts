import { readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { appValueName } from "./process-names.ts";

/**
 * The apps in the journal of a home, as the kernel's values keep them, by name. For commands that start no
 * daemon: a running kernel's values take precedence. Nothing is written, and lines that cannot be read
 * are left to the next kernel.
 */
export function storedApps(home: Home): ReadonlyMap<string, string> {
  const apps = new Map<string, string>();
  const prefix = appValueName("");
  for (const line of journalLines(home)) {
    // Most lines are about other things, and values are long.
    if (!line.includes(prefix)) continue;
    const { type, name, value } = readRecord(line);
    if (typeof name !== "string" || !name.startsWith(prefix)) continue;
    const app = name.slice(prefix.length);
    if (type === "value removed") apps.delete(app);
    if (type === "value" && typeof value === "string") apps.set(app, value);
  }
  return apps;
}

function journalLines({ journal }: Home): readonly string[] {
  try {
    return readFileSync(journal, "utf8").split("\n");
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** A line is a checksum, a space and JSON. */
function readRecord(line: string): { type?: unknown; name?: unknown; value?: unknown } {
  try {
    const record: unknown = JSON.parse(line.slice(line.indexOf(" ") + 1));
    return typeof record === "object" && record !== null ? record : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
