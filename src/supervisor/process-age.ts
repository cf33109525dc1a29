import { readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";

/** Clock ticks of /proc a second: 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const START_TIME_FIELD = 19;

/**
 * How long a process has been running, in milliseconds, by the time since boot: a step of the wall
 * clock does not change it (proc_pid_stat(5), field 22).
 *
 * @returns 0 for a process that is gone
 */
export function processAgeMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [uptime = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const startedSeconds = Number(fields[START_TIME_FIELD]) / TICKS_PER_SECOND;
    return Math.max(0, Math.round((Number(uptime) - startedSeconds) * 1_000));
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return 0;
    throw error;
  }
}

/** A time of the monotonic clock as the wall clock shows it now. */
export function toWallMs(monotonicMs: number): number {
  return Math.round(Date.now() + monotonicMs - performance.now());
}
