import { endianness } from "node:os";
import { readdirSync, readFileSync } from "node:fs";

import { systemCode } from "../base/errors.ts";

/** The fields read from a process's line in /proc. */
interface Seen {
  readonly parent: number;
  readonly group: number;
  readonly bytes: number;
}

/**
 * The resident memory of process groups with all descendants of their leaders: pages that several
 * processes share count for each.
 *
 * @returns bytes by the leader's pid; `undefined` if there is no /proc
 */
export function groupMemory(leaders: ReadonlySet<number>): Map<number, number> | undefined {
  if (process.platform !== "linux") return undefined;
  const all = new Map<number, Seen>();
  for (const name of readdirSync("/proc")) {
    const seen = /^\d+$/.test(name) ? look(name) : undefined;
    if (seen !== undefined) all.set(Number(name), seen);
  }
  const used = new Map<number, number>();
  for (const [pid, { bytes }] of all) {
    const leader = leaderOf(pid, all, leaders);
    if (leader !== undefined) used.set(leader, (used.get(leader) ?? 0) + bytes);
  }
  return used;
}

function leaderOf(
  start: number,
  all: ReadonlyMap<number, Seen>,
  leaders: ReadonlySet<number>,
): number | undefined {
  let pid = start;
  // The table is not an atomic snapshot: parents may form a cycle in it.
  for (let steps = 0; steps < 100; steps += 1) {
    const seen = all.get(pid);
    if (seen === undefined) return undefined;
    if (leaders.has(pid)) return pid;
    if (leaders.has(seen.group)) return seen.group;
    pid = seen.parent;
  }
  return undefined;
}

function look(name: string): Seen | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${name}/stat`, "latin1");
  } catch (error) {
    // The process has ended since.
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
  // The command is in parentheses and may contain some itself; fields of proc_pid_stat(5) from the
  // third on.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [parent, group, pages] = [fields[1], fields[2], fields[21]].map(Number);
  if (parent === undefined || group === undefined || pages === undefined) return undefined;
  return { parent, group, bytes: pages * pageBytes() };
}

const AT_PAGESZ = 6n;
const USUAL_PAGE_BYTES = 4_096;
let knownPageBytes: number | undefined;

/** 4 kB, but up to 64 kB on some ARM systems; from the auxiliary vector of this process. */
function pageBytes(): number {
  if (knownPageBytes !== undefined) return knownPageBytes;
  const bytes = readFileSync("/proc/self/auxv");
  const word = (at: number): bigint =>
    endianness() === "LE" ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
  knownPageBytes = USUAL_PAGE_BYTES;
  for (let at = 0; at + 16 <= bytes.length; at += 16)
    if (word(at) === AT_PAGESZ) knownPageBytes = Number(word(at + 8));
  return knownPageBytes;
}
