import { closeSync, openSync } from "node:fs";

import { checked, libc } from "./libc.ts";

const dup2 = libc("int dup2(int from, int to)");

/**
 * Redirects a descriptor in use (1 or 2) to a file from now on, appending: a daemon does this with its stderr
 * once no process reads the pipe. Other users cannot open a new file.
 */
export function redirectToFile(fd: number, path: string): void {
  const file = openSync(path, "a", 0o600);
  try {
    checked(dup2(file, fd), "dup2", path);
  } finally {
    closeSync(file);
  }
}
