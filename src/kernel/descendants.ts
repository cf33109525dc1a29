import { closeSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";

import { newelError, systemCode } from "../base/errors.ts";
import { openPidfd, signalPidfd } from "../posix/process.ts";

/** One process as /proc shows it. `startTicks` tells it from a later one with the same pid. */
export interface Seen {
  readonly pid: number;
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
}

/** What binds a descendant to a process the kernel made. */
export interface Ancestry {
  readonly pid: number;
  /** `NEWEL_MARK` of its environment, which every descendant inherits unless it clears its own. */
  readonly mark?: string;
  /** Descendants seen before: they stay ours when their parents are gone. */
  readonly known: ReadonlyMap<number, number>;
}

/** One process, or `undefined` when it is gone. */
export function look(pid: number): Seen | undefined {
  const stat = readProc(pid, "stat")?.toString("latin1");
  if (stat === undefined) return undefined;
  // The command stands in parentheses and may itself have some.
  const open = stat.indexOf("(");
  const close = stat.lastIndexOf(")");
  const fields = stat.slice(close + 2).split(" ");
  return {
    pid,
    command: stat.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/**
 * The process and every living descendant that can be found: by session, process group, parentage,
 * the mark in the environment, or because it was one before.
 */
export function findDescendants(ancestry: Ancestry): Seen[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => look(Number(name)))
    .filter(
      (seen) => seen !== undefined && seen.state !== "Z" && seen.pid !== process.pid,
    ) as Seen[];
  const found = new Set<number>();
  for (const seen of all) if (isBound(seen, ancestry)) found.add(seen.pid);
  // Parentage: again until no child of a found one is left out.
  for (let grew = true; grew;) {
    const children = all.filter(({ pid, parent }) => !found.has(pid) && found.has(parent));
    for (const { pid } of children) found.add(pid);
    grew = children.length > 0;
  }
  return all.filter(({ pid }) => found.has(pid));
}

/** The living processes that have this variable with this value in their environment. */
export function findMarked(variable: string, value: string): Seen[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && hasVariable(Number(name), variable, value))
    .flatMap((name) => look(Number(name)) ?? [])
    .filter(({ state, pid }) => state !== "Z" && pid !== process.pid);
}

function hasVariable(pid: number, variable: string, value: string): boolean {
  const environment = readProc(pid, "environ");
  return `\0${environment?.toString("latin1") ?? ""}\0`.includes(`\0${variable}=${value}\0`);
}

function isBound(seen: Seen, { pid, mark, known }: Ancestry): boolean {
  if (seen.pid === pid || seen.group === pid || seen.session === pid) return true;
  if (known.get(seen.pid) === seen.startTicks) return true;
  return (
    mark !== undefined && (readProc(seen.pid, "environ")?.includes(`NEWEL_MARK=${mark}\0`) ?? false)
  );
}

/** Sends a signal to exactly this process; `false` when it is gone. */
export function signalSeen(seen: Seen, signal: number): boolean {
  const pidfd = openPidfd(seen.pid);
  if (pidfd === undefined) return false;
  try {
    return look(seen.pid)?.startTicks === seen.startTicks && signalPidfd(pidfd, signal);
  } finally {
    closeSync(pidfd);
  }
}

/**
 * The number of a signal given by name or number.
 *
 * @throws NEWEL_E_COMMAND when there is no such signal
 */
export function signalNumber(signal: string | number): number {
  const numbers: readonly number[] = Object.values(constants.signals);
  if (typeof signal === "number" || /^\d+$/.test(signal)) {
    const number = Number(signal);
    if (number === 0 || numbers.includes(number)) return number;
  } else {
    const name = signal.toUpperCase();
    const found = Object.entries(constants.signals).find(
      ([known]) => known === name || known === `SIG${name}`,
    );
    if (found !== undefined) return found[1];
  }
  throw newelError("NEWEL_E_COMMAND", { what: `Unknown signal ${signal}` });
}

function readProc(pid: number, file: string): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`);
  } catch (error) {
    // Gone meanwhile, or another user's.
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
