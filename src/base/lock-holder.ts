import { readFileSync } from "node:fs";

import { systemCode } from "./errors.ts";

/** The pid that the holder of a lock has written into its file; `unknown` when the file has none. */
export function holderOf(lockFile: string): string {
  const pid = read(lockFile)?.trim();
  return pid === undefined || pid === "" ? "unknown" : pid;
}

/** Whether a process is stopped by a signal such as SIGSTOP, or by a debugger. */
export function isStoppedProcess(pid: string): boolean {
  return /\) [Tt] /.test(read(`/proc/${pid}/stat`) ?? "");
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
