import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";

import { systemCode } from "../../base/errors.ts";
import type { OutOfMemory } from "./types.ts";

/** A record of /dev/kmsg has at most this length; a shorter read fails. */
const RECORD_BYTES = 8_192;
/** Bounds the read of a log that is written at the same time. */
const RECORDS = 100_000;

/** Reads from the system whether its kernel ended a process because memory was short. */
export function wasOutOfMemory(pid: number): OutOfMemory {
  const kills = killsSinceBoot();
  if (kills === 0) return { kind: "none" };
  const log = readKernelLog();
  const says = killRecord(pid, log);
  if (says !== undefined) return { kind: "killed", says };
  return { kind: log.length > 0 ? "unnamed" : "unknown", kills: kills ?? 0 };
}

/** The record about the kill of exactly this pid in lines of the kernel's log; the newest one. */
export function killRecord(pid: number, records: readonly string[]): string | undefined {
  const kill = new RegExp(`(?:Memory cgroup )?[Oo]ut of memory: Kill(?:ed)? process ${pid} [^]*`);
  for (const record of records.toReversed()) {
    const [found] = kill.exec(record) ?? [];
    if (found !== undefined) return found.split("\n")[0] ?? found;
  }
  return undefined;
}

/** proc_vmstat: `oom_kill`, for memory cgroups and the whole machine; `undefined` before Linux 4.13. */
function killsSinceBoot(): number | undefined {
  const found = /^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "latin1"));
  return found === null ? undefined : Number(found[1]);
}

/** The records of /dev/kmsg; none where this user may not read it (kernel.dmesg_restrict). */
function readKernelLog(): string[] {
  let fd: number;
  try {
    fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (["EPERM", "EACCES", "ENOENT"].includes(systemCode(error) ?? "")) return [];
    throw error;
  }
  try {
    return [...recordsOf(fd)];
  } finally {
    closeSync(fd);
  }
}

function* recordsOf(fd: number): Iterable<string> {
  const buffer = Buffer.alloc(RECORD_BYTES);
  for (let count = 0; count < RECORDS; count += 1) {
    try {
      const length = readSync(fd, buffer);
      if (length === 0) return;
      yield buffer.toString("utf8", 0, length);
    } catch (error) {
      // EPIPE: the record was overwritten while it was read; the next one follows.
      if (systemCode(error) === "EPIPE") continue;
      if (["EAGAIN", "EINVAL", "EPERM"].includes(systemCode(error) ?? "")) return;
      throw error;
    }
  }
}
