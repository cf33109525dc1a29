import { existsSync } from "node:fs";

/**
 * The path of the Node.js executable that runs this process, valid for execution now. A file that was removed
 * while it runs (`nvm uninstall`) is still reached through /proc, as long as this process lives.
 */
export function nodeProgram(): string {
  if (process.platform !== "linux" || existsSync(process.execPath)) return process.execPath;
  return `/proc/${process.pid}/exe`;
}
