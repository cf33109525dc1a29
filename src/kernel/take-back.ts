import { closeSync, existsSync, readFileSync } from "node:fs";

import { messageOf } from "../base/errors.ts";
import { openPidfd, takeDescriptor } from "../posix/process.ts";
import type { RecoveryStatus, SocketInfo, SocketReturn } from "./api.ts";
import { type Handover, isSocket } from "./handover.ts";
import { look } from "./proc.ts";
import type { SocketRecord } from "./journal-records.ts";
import type { ProcessTable, SocketHolder } from "./processes.ts";
import type { PastState } from "./recovery.ts";
import type { SocketTable } from "./sockets.ts";

interface Tables {
  readonly sockets: SocketTable;
  readonly processes: ProcessTable;
}

/**
 * The recovery after a crash and after an upgrade: living processes are adopted, and sockets are passed on,
 * taken back, or bound again.
 *
 * @returns how each socket came back
 */
export function takeBack(
  past: PastState,
  { sockets, processes }: Tables,
  handover: Handover | undefined,
  notice: (text: string) => void,
): Record<string, SocketReturn> {
  const returned: Record<string, SocketReturn> = {};
  for (const record of past.sockets.values()) {
    const { name } = record.info;
    try {
      returned[name] = takeSocket(record, past, sockets, handover?.sockets[name]);
    } catch (error) {
      returned[name] = "lost";
      notice(`The socket ${name} could not be taken back: ${messageOf(error)}`);
    }
  }
  const waiting = Object.keys(returned).filter((name) => returned[name] === "waiting");
  if (waiting.length > 0)
    notice(
      `Only the processes that serve them have these sockets, and they may not be taken from there: ${waiting.join(", ")}. Each is bound again for the next process that gets it.`,
    );
  for (const process of past.processes.values()) {
    try {
      processes.restore(process, handover?.readers[process.record.id]);
    } catch (error) {
      notice(`The process ${process.record.info.name} could not be adopted: ${messageOf(error)}`);
    }
  }
  processes.settle();
  return returned;
}

function takeSocket(
  record: SocketRecord,
  past: PastState,
  sockets: SocketTable,
  passed: number | undefined,
): SocketReturn {
  const { info } = record;
  // A number that belongs to another file is left alone: this kernel does not own it.
  if (passed !== undefined && isSocket(passed, info)) {
    sockets.adopt(record, passed);
    return "passed";
  }
  const holders = info.reuseport === true ? [] : holdersOf(info.name, past);
  const taken = holders.map((holder) => takeFrom(holder, info)).find((fd) => fd !== undefined);
  if (taken !== undefined) {
    sockets.adopt(record, taken);
    return "taken";
  }
  if (holders.length > 0) {
    sockets.postpone(record);
    return "waiting";
  }
  sockets.restore(record);
  return "bound";
}

/** The living processes that were given a socket. */
function holdersOf(name: string, past: PastState): SocketHolder[] {
  return [...past.processes.values()].flatMap(({ record, endedMs }) => {
    const index = record.sockets.indexOf(name);
    if (index < 0 || endedMs !== undefined) return [];
    if (look(record.info.pid)?.startTicks !== record.startTicks) return [];
    return [{ pid: record.info.pid, fd: 3 + index }];
  });
}

/** A copy of a socket from a process that holds it: the queue of connections stays the same. */
function takeFrom({ pid, fd: theirs }: SocketHolder, info: SocketInfo): number | undefined {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return undefined;
  const fd = takeDescriptor(pidfd, theirs);
  closeSync(pidfd);
  // The holder may have closed its copy, and the number may belong to another file now.
  if (fd === undefined || isSocket(fd, info)) return fd;
  closeSync(fd);
  return undefined;
}

const YAMA_SCOPE = "/proc/sys/kernel/yama/ptrace_scope";

/**
 * How sockets would come back to the next kernel if this one were killed at this moment.
 *
 * @param holders - the processes that have sockets now; a copy is tried from each
 */
export function recoveryLevel(
  heldElsewhere: boolean,
  holders: readonly SocketHolder[],
): RecoveryStatus["level"] {
  if (heldElsewhere) return "held";
  const all = holders.length === 0 ? [{ pid: process.pid, fd: 0 }] : holders;
  return !isRestricted() && all.every(mayTake) ? "taken" : "bound";
}

/**
 * Whether Yama forbids the next kernel to copy descriptors: unlike this kernel, it is no ancestor of the
 * processes.
 */
function isRestricted(): boolean {
  if (process.getuid?.() === 0 || !existsSync(YAMA_SCOPE)) return false;
  return readFileSync(YAMA_SCOPE, "utf8").trim() !== "0";
}

function mayTake({ pid, fd: theirs }: SocketHolder): boolean {
  const pidfd = openPidfd(pid);
  // A holder that has ended since then needs no copy.
  if (pidfd === undefined) return true;
  const fd = takeDescriptor(pidfd, theirs);
  closeSync(pidfd);
  if (fd !== undefined) closeSync(fd);
  return fd !== undefined;
}
