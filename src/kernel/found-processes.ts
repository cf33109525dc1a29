import { closeSync, realpathSync } from "node:fs";

import { fromFileName } from "../base/names.ts";
import type { Home } from "../base/home.ts";
import { openPidfd, takeDescriptor } from "../posix/process.ts";
import type { StreamName } from "./process-api.ts";
import { isSocket } from "./handover.ts";
import type { ProcessRecord } from "./journal-records.ts";
import {
  openFiles,
  readArguments,
  readVariable,
  scanProcesses,
  type Seen,
  ticksSinceBoot,
  workingDirectory,
} from "./proc.ts";
import type { PastState } from "./recovery.ts";

/**
 * Living processes of a home that its journal does not know: the kernel was killed while it started them, a
 * line of the journal was damaged, or the journal was lost. Each process has the FIFOs of its output open for
 * writing. The names of the FIFOs begin with the id of the process, so the process is found in /proc and
 * adopted.
 */

/** A process that holds FIFOs of an unknown id. */
interface Holder {
  readonly seen: Seen;
  readonly streams: ReadonlySet<string>;
}

const TICKS_PER_SECOND = 100;
const FIRST_SOCKET = 3;
const BUFSIZE = 1 << 20;

/**
 * Adds the unknown living processes to the state of an earlier kernel.
 *
 * @param notice - called with the names of the adopted processes
 */
export function addFoundProcesses(
  home: Home,
  past: PastState,
  notice: (text: string) => void,
): void {
  const found: string[] = [];
  for (const [id, holders] of unknownHolders(home, past)) {
    const record = describe(id, holders, past);
    if (record === undefined) continue;
    // A process recorded as starting may not be ready yet; any other process has run before.
    past.processes.set(id, { record, ready: !past.starting.has(id) });
    found.push(`${record.info.name} (pid ${record.info.pid})`);
  }
  if (found.length > 0)
    notice(
      `The journal did not know these processes, which were found and adopted: ${found.join(", ")}.`,
    );
}

function unknownHolders(home: Home, past: PastState): ReadonlyMap<string, readonly Holder[]> {
  const directory = `${realpathSync.native(home.fifoDirectory)}/`;
  const byId = new Map<string, Holder[]>();
  for (const seen of scanProcesses()) {
    const streams = new Map<string, Set<string>>();
    for (const { path, isWritable } of openFiles(seen.pid)) {
      // The supervisor has the FIFOs open too, but only for reading.
      if (!isWritable || !path.startsWith(directory)) continue;
      const name = path.slice(directory.length).replace(/ \(deleted\)$/, "");
      const dot = name.lastIndexOf(".");
      const id = name.slice(0, dot);
      if (past.processes.has(id)) continue;
      const known = streams.get(id) ?? new Set();
      streams.set(id, known.add(name.slice(dot + 1)));
    }
    for (const [id, names] of streams)
      byId.set(id, [...(byId.get(id) ?? []), { seen, streams: names }]);
  }
  return byId;
}

/** The record of a found process: the journal's, if it has the line that was written before the start. */
function describe(
  id: string,
  holders: readonly Holder[],
  past: PastState,
): ProcessRecord | undefined {
  const [first] = [...holders].sort((a, b) => rank(a.seen) - rank(b.seen));
  if (first === undefined) return undefined;
  const { pid, startTicks } = first.seen;
  const startedMs = Math.round(
    Date.now() - ((ticksSinceBoot() - startTicks) / TICKS_PER_SECOND) * 1_000,
  );
  const base = past.starting.get(id) ?? guess(id, first, holders, past);
  return {
    ...base,
    info: { ...base.info, name: freeName(base.info.name, pid, past), pid, startedMs },
    startTicks,
  };
}

/** The program that was started leads its session; descendants come after it, the oldest first. */
function rank({ pid, session, startTicks }: Seen): number {
  return pid === session ? startTicks - Number.MAX_SAFE_INTEGER / 2 : startTicks;
}

function guess(
  id: string,
  { seen: { pid } }: Holder,
  holders: readonly Holder[],
  past: PastState,
): ProcessRecord {
  const streams = (["out", "err"] as const).filter((stream: StreamName) =>
    holders.some((holder) => holder.streams.has(stream)),
  );
  const mark = readVariable(pid, "NEWEL_MARK");
  return {
    type: "process",
    id,
    info: {
      name: fromFileName(id.slice(0, id.lastIndexOf("~"))),
      pid,
      startedMs: 0,
      args: readArguments(pid),
      workingDir: workingDirectory(pid),
    },
    startTicks: 0,
    // The hash matches no request: a request to make this process again is refused, and the process stays
    // visible.
    settings: "unknown",
    bufsize: BUFSIZE,
    streams,
    sockets: socketsOf(pid, past),
    ...(mark === undefined || mark === null ? {} : { mark }),
  };
}

/** Process names are unique: a second process of the same name gets its pid appended. */
function freeName(name: string, pid: number, past: PastState): string {
  const isTaken = [...past.processes.values()].some(({ record }) => record.info.name === name);
  return isTaken ? `${name}~${pid}` : name;
}

/**
 * The kernel's sockets that a process has as descriptors 3, 4, …, in the order in which it was given them.
 */
function socketsOf(pid: number, past: PastState): string[] {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return [];
  const names: string[] = [];
  try {
    for (;;) {
      const fd = takeDescriptor(pidfd, FIRST_SOCKET + names.length);
      if (fd === undefined) return names;
      const socket = [...past.sockets.values()].find(({ info }) => isSocket(fd, info));
      closeSync(fd);
      if (socket === undefined) return names;
      names.push(socket.info.name);
    }
  } finally {
    closeSync(pidfd);
  }
}
