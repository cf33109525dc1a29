import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { basename } from "node:path";

import { systemCode } from "../base/errors.ts";
import type { ProcessDetail } from "./process-api.ts";

/** The page size of Linux on x86-64 and of most arm64 kernels. */
const PAGE_BYTES = 4_096;
/**
 * A command line and an environment may be as long as 2 MiB; these bytes are enough to recognize a program.
 */
const ARGUMENTS_BYTES = 8_192;

/** open(2): the bits of the access mode of a file. */
const ACCESS_MODE = 3;
const READ_ONLY = 0;

/**
 * One process as /proc/PID/stat shows it. `startTicks` distinguishes it from a later one with the same pid.
 */
export interface Seen {
  readonly pid: number;
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
  /** CPU time of all its threads, in clock ticks. */
  readonly cpuTicks: number;
  readonly memoryBytes: number;
}

/** One process, or `undefined` when it is gone. */
export function look(pid: number): Seen | undefined {
  const stat = readProc(pid, "stat")?.toString("latin1");
  if (stat === undefined) return undefined;
  // The command stands in parentheses and may itself contain some.
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
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    memoryBytes: Number(fields[21]) * PAGE_BYTES,
  };
}

/** Every living process of the machine except this one, in one pass over /proc. */
export function scanProcesses(): Seen[] {
  const all: Seen[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const seen = look(Number(name));
    if (seen !== undefined && isLiving(seen) && seen.pid !== process.pid) all.push(seen);
  }
  return all;
}

/** Now, on the clock of `startTicks`: 100 ticks a second on every Linux that Node runs on. */
export function ticksSinceBoot(): number {
  return Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 100);
}

/** Whether the process still executes: it is neither a zombie nor being removed from the process table. */
export function isLiving({ state }: Pick<Seen, "state">): boolean {
  return state !== "Z" && state !== "X";
}

/** The facts for a stop decision in addition to {@link Seen}; empty where they may not be read. */
export function lookClosely(pid: number): ProcessDetail {
  const status = readProc(pid, "status")?.toString("latin1") ?? "";
  const mask = (name: string): string =>
    new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0";
  return {
    program: basename(readLink(pid, "exe").replace(/ \(deleted\)$/, "")),
    args: readArguments(pid),
    caught: mask("SigCgt"),
    ignored: mask("SigIgn"),
    blocked: mask("SigBlk"),
    stdin: readLink(pid, "fd/0"),
    stdout: readLink(pid, "fd/1"),
    stderr: readLink(pid, "fd/2"),
  };
}

/**
 * The arguments, cut where they are long. In a program that set its title, the title is the first argument.
 */
export function readArguments(pid: number): string[] {
  const bytes = readProc(pid, "cmdline")?.subarray(0, ARGUMENTS_BYTES) ?? Buffer.alloc(0);
  return bytes.toString("utf8").replace(/\0+$/, "").split("\0");
}

/**
 * The value of a variable in the environment that a process was started with; `null` when it has
 * none of that name, `undefined` when the environment cannot be read, as during an exec.
 */
export function readVariable(pid: number, name: string): string | null | undefined {
  const environment = readProc(pid, "environ");
  if (environment === undefined || environment.length === 0) return undefined;
  const variables = `\0${environment.toString("latin1")}`;
  const found = variables.indexOf(`\0${name}=`);
  if (found < 0) return null;
  const begin = found + name.length + 2;
  const end = variables.indexOf("\0", begin);
  return variables.slice(begin, end < 0 ? undefined : end);
}

/** The open files of a process; empty if this user may not read them. */
export function openFiles(
  pid: number,
): readonly { readonly path: string; readonly isWritable: boolean }[] {
  let names: readonly string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
  return names.flatMap((name) => {
    const path = readLink(pid, `fd/${name}`);
    if (!path.startsWith("/")) return [];
    const info = readProc(pid, `fdinfo/${name}`)?.toString("latin1") ?? "";
    const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
    return [{ path, isWritable: (flags & ACCESS_MODE) !== READ_ONLY }];
  });
}

/** The working directory of a process; `/` where it may not be seen. */
export function workingDirectory(pid: number): string {
  const path = readLink(pid, "cwd");
  return path === "" ? "/" : path;
}

let buffer = Buffer.alloc(16_384);

/** The result is valid until the next call. */
function readProc(pid: number, file: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/${file}`, "r");
    let length = 0;
    for (;;) {
      const count = readSync(fd, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
      if (length === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
    }
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readLink(pid: number, file: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${file}`);
  } catch (error) {
    if (isUnreadable(error)) return "";
    throw error;
  }
}

/** Whether the error says that the process has ended or belongs to another user. */
function isUnreadable(error: unknown): boolean {
  return ["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "");
}
