import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { extname } from "node:path";

import { type Locate, locateInJson, locateInScript } from "./locate.ts";

/** Finds paths in a configuration file as it is now, without running it. Without a readable file, no path is found. */
export function locateInFile(file: string): Locate {
  try {
    const source = readFileSync(file, "utf8");
    if (extname(file) === ".json") return locateInJson(source);
    return locateInScript(extname(file).endsWith("ts") ? withoutTypes(source) : source);
  } catch {
    // The file is gone, or is being edited: only the line numbers are missing.
    return () => undefined;
  }
}

/** Removes the types of a source, without the ExperimentalWarning that Node.js prints at the first call. */
function withoutTypes(source: string): string {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
