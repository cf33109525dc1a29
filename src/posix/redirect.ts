import { closeSync, openSync } from "node:fs";

import { checked, libc } from "./libc.ts";

const dup2 = libc("int dup2(int from, int to)");

/**
 * Makes a descriptor that is in use (1 or 2) lead to a file from now on, appending: what a daemon
 * does with its stderr once no process reads the pipe behind it. A new file is closed to other users.
 */
export function redirectToFile(fd: number, path: string): void {
  const file = openSync(path, "a", 0o600);
  try {
    checked(dup2(file, fd), "dup2", path);
  } finally {
    closeSync(file);
  }
}
