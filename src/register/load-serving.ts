import { createRequire } from "node:module";

import { loadVm } from "../base/builtins.ts";
import type * as serving from "./serving.ts";

/** The source text of the CommonJS module built from serving.ts; scripts/preload.mjs inserts it. */
declare const SERVING_SOURCE: string;

/**
 * Compiles the part of the preload that only listening processes need. Its text is in the file of the
 * preload: compiling takes longer than reading, and later the process may have no permission to read the
 * file.
 */
export function loadServing(): typeof serving {
  const exports = {};
  const parameters = ["exports", "module", "require"];
  const compiled = loadVm().compileFunction(SERVING_SOURCE, parameters, {
    filename: "newel-preload-serving.cjs",
  }) as (...args: unknown[]) => void;
  const module = { exports };
  compiled(exports, module, createRequire("/"));
  return module.exports as typeof serving;
}
