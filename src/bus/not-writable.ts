import { resolve } from "node:path";

import { newelError } from "../base/errors.ts";
import { pathProblem } from "../base/path-problem.ts";

/** The coded error of a file that a plugin cannot open or write. */
export function notWritable(what: "pidfile" | "log file", path: string, error: unknown): Error {
  const file = resolve(path);
  return newelError("NEWEL_E_BUS_FILE", { what, path: file, why: pathProblem(file, error) }, error);
}
