import { existsSync, statSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { configError, shownFile } from "./problems.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs", ".json"];

/**
 * The configuration file: the one named, else the first `newel.config.{ts,mts,js,mjs,json}` in the
 * directory or one above it.
 *
 * @throws NEWEL_E_CONFIG_MISSING, and NEWEL_E_CONFIG when the named file is of another kind
 */
export function findConfig(cwd: string, named: string | undefined): string {
  if (named === undefined) return search(cwd);
  const file = resolve(cwd, named);
  if (!existsSync(file))
    throw newelError("NEWEL_E_CONFIG_MISSING", {
      looked: `${shownFile(file, cwd)} does not exist`,
    });
  if (statSync(file).isDirectory())
    throw newelError("NEWEL_E_CONFIG_MISSING", {
      looked: `${shownFile(file, cwd)} is a directory`,
    });
  if (!EXTENSIONS.includes(extname(file))) {
    const message = `newel reads ${EXTENSIONS.join(", ")}: rename the file, or translate it into a newel.config.ts.`;
    throw configError([{ file, path: "", message }], cwd);
  }
  return file;
}

function search(cwd: string): string {
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    for (const extension of EXTENSIONS) {
      const file = join(directory, `newel.config${extension}`);
      if (existsSync(file)) return file;
    }
    if (directory === dirname(directory)) break;
  }
  const names = EXTENSIONS.map((extension) => extension.slice(1)).join(",");
  throw newelError("NEWEL_E_CONFIG_MISSING", {
    looked: `no newel.config.{${names}} in ${resolve(cwd)} or above`,
  });
}
