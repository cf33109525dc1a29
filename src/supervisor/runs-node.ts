import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

import { systemCode } from "../base/errors.ts";

/** A bound for a tree that grows while it is read. */
const PROCESSES = 1_000;

/**
 * Whether a process or one of its children, and theirs, runs the executable of Node.js; `false` where
 * there is no /proc.
 */
export function runsNode(pid: number): boolean {
  const left = [pid];
  for (let seen = 0; seen < PROCESSES; seen += 1) {
    const next = left.pop();
    if (next === undefined) return false;
    const executable = read(() => readlinkSync(`/proc/${next}/exe`));
    if (/^node(js)?[\d.-]*$/.test(basename(executable))) return true;
    const children = read(() => readFileSync(`/proc/${next}/task/${next}/children`, "utf8"));
    left.push(...children.split(" ").filter(Boolean).map(Number));
  }
  return false;
}

/** Empty for a process that has ended, or belongs to another user. */
function read(action: () => string): string {
  try {
    return action();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return "";
  }
}
