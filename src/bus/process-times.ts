import { readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";

/** Ticks per second in /proc, on every Linux that Node runs on. */
const TICKS = 100;

/** Whether a process with this pid is alive, of any user. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

/**
 * The start time of a process, in milliseconds since the epoch; `undefined` if /proc does not
 * report it.
 */
export function startedMs(pid: number): number | undefined {
  const fields = statFields(pid);
  const boot = /^btime (\d+)$/m.exec(readProc("stat") ?? "")?.[1];
  // Field 22 of proc_pid_stat(5); the fields here begin with the third.
  const ticks = fields?.[19];
  return ticks === undefined || boot === undefined
    ? undefined
    : (Number(boot) + Number(ticks) / TICKS) * 1_000;
}

function isZombie(pid: number): boolean {
  return statFields(pid)?.[0] === "Z";
}

/** The text after the command, which may itself have spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  const text = readProc(`${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    // The process has ended, or there is no /proc on this platform: the answer is unknown either
    // way.
    return undefined;
  }
}
