import { readFileSync } from "node:fs";
import { uptime } from "node:os";

const NS_PER_MS = 1_000_000n;
/** The unit of the time in which the system was suspended: `uptime()` has 10 ms, and each process measures it. */
const SUSPENDED_MS = 100;

/**
 * The clock of job locks, in whole milliseconds: on Linux CLOCK_MONOTONIC, which all
 * processes share and no step of the wall clock moves (clock_gettime(2)). It starts over with the system, when
 * all owners are dead. Elsewhere processes are not sure to share such a clock, so the wall clock is used.
 */
export function lockTime(): number {
  if (process.platform !== "linux") return Date.now();
  return Number(process.hrtime.bigint() / NS_PER_MS);
}

/**
 * The same clock, which also runs while the system is suspended. It measures the windows of rate limits and
 * deduplications, which are promises to others in real time; locks rest with the processes that hold them.
 */
export function spanTime(): number {
  const now = lockTime();
  if (process.platform !== "linux") return now;
  return now + Math.round((uptime() * 1_000 - now) / SUSPENDED_MS) * SUSPENDED_MS;
}

/** Identifies the boot of the system that times of {@link lockTime} belong to; constant where that is the wall clock. */
export function bootId(): string {
  if (process.platform !== "linux") return "wall clock";
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
