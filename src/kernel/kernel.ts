import { closeSync, existsSync, fstatSync } from "node:fs";

import { messageOf, newelError } from "../base/errors.ts";
import { type Home, makeHome } from "../base/home.ts";
import { boundPort } from "../posix/sockets.ts";
import { becomeSubreaper, openPidfd, takeDescriptor } from "../posix/process.ts";
import type { Kernel, KernelStatus, SocketInfo } from "./api.ts";
import { ClaimTable, type WatchProcess } from "./claims.ts";
import { look } from "./descendants.ts";
import { EventLog } from "./events.ts";
import { type ClaimRecord, Journal, type JournalContent, type JournalRecord } from "./journal.ts";
import { sweepLeftovers } from "./leftovers.ts";
import type { KeptReaders } from "./managed-process.ts";
import { ProcessTable } from "./processes.ts";
import { Pump } from "./pump.ts";
import { bootId, type PastState, replay } from "./recovery.ts";
import { SocketTable } from "./sockets.ts";
import { ValueTable } from "./values.ts";

export interface OpenOptions {
  readonly version: string;
  /** From the kernel that this process was before it replaced itself. */
  readonly handover?: Handover;
  /** Hears what an operator should know; the newest stand in `status` too. */
  readonly notice: (text: string) => void;
}

/** An open kernel; closing it lets go of everything and ends no process. */
export interface OpenKernel extends Kernel {
  /** Before the connections are closed because the kernel ends: their claims stay theirs. */
  keepClaims(): void;
  /** How a child ended that was started beside the table. */
  awaitChild(pid: number): Promise<number>;
  /** Stops all work and gives the descriptors that a successor in this process needs. */
  handOver(): Promise<Handover>;
  close(): Promise<void>;
}

const NOTICES = 20;
const COMPACT_EVERY_MS = 5_000;

/**
 * Opens the kernel of a home: reads the journal, takes back what an earlier kernel held, goes on.
 * The caller holds the home's lock.
 *
 * @throws NEWEL_E_HOME_ACCESS when the home cannot be used
 */
export function openKernel(home: Home, options: OpenOptions): OpenKernel {
  makeHome(home);
  becomeSubreaper();
  const { notices, notice } = collectNotices(options.notice);
  const { journal, content } = Journal.open(home.journal);
  if (content.damaged > 0) notice(damage(content));
  const past = replay(content.records);
  const events = new EventLog(past.lastEvent, past.events, journal);
  const pump = new Pump(notice);
  const sockets = new SocketTable(journal, events);
  const values = new ValueTable(past.values, journal, events);
  const claims = new ClaimTable(journal, events);
  const processes = new ProcessTable({ home, journal, events, sockets, pump, notice });
  const tables = { sockets, values, claims, processes };
  if (past.sameBoot) recover(past, tables, options.handover, notice);
  else reportReboot(past, notice);
  reportLeftovers(home, content, processes.ids, notice);
  for (const claim of past.claims.values())
    claims.restore(past.sameBoot ? claim : unheld(claim), watcher(pump));

  const snapshot = function* snapshot(): Iterable<JournalRecord> {
    yield { type: "boot", bootId: bootId(), pid: process.pid, version: options.version };
    yield* events.snapshot();
    for (const table of Object.values(tables)) yield* table.snapshot();
  };
  journal.rewrite(snapshot());
  const compacting = setInterval(() => {
    if (journal.stale) journal.rewrite(snapshot());
  }, COMPACT_EVERY_MS).unref();

  return {
    sockets: sockets.verbs,
    values: values.verbs,
    claims: claims.verbs,
    processes: processes.verbs,
    events: events.verbs,
    status: () =>
      describeStatus(home, options.version, tables, events, allNotices(notices, journal)),
    idle: () => sockets.size + values.size + processes.size === 0,
    keepClaims: () => claims.freeze(),
    awaitChild: (pid) => processes.awaitChild(pid),
    async handOver() {
      clearInterval(compacting);
      claims.freeze();
      await processes.rest();
      await pump.stop();
      return { sockets: sockets.descriptors, readers: processes.readers };
    },
    async close() {
      clearInterval(compacting);
      await processes.close();
      await pump.close();
      sockets.close();
      journal.close();
    },
  };
}

/** The newest notices, each told once. */
function collectNotices(tell: (text: string) => void): {
  readonly notices: readonly string[];
  readonly notice: (text: string) => void;
} {
  const notices: string[] = [];
  const notice = (text: string): void => {
    if (notices.includes(text)) return;
    notices.push(text);
    notices.splice(0, notices.length - NOTICES);
    tell(text);
  };
  return { notices, notice };
}

/** The descriptors that a kernel leaves open for the one it replaces itself with. */
export interface Handover {
  readonly sockets: Readonly<Record<string, number>>;
  /** By the id of the process. */
  readonly readers: Readonly<Record<string, KeptReaders>>;
}

interface Tables {
  readonly sockets: SocketTable;
  readonly values: ValueTable;
  readonly claims: ClaimTable;
  readonly processes: ProcessTable;
}

/**
 * The one way back after a crash and after an upgrade: processes that live are adopted, sockets
 * taken back or bound again.
 */
function recover(
  past: PastState,
  { sockets, processes }: Tables,
  handover: Handover | undefined,
  notice: (text: string) => void,
): void {
  for (const info of past.sockets.values()) {
    const fd = handover?.sockets[info.name] ?? takeFromHolder(info, past);
    try {
      if (fd !== undefined) sockets.adopt(info, fd);
      else sockets.restore(info);
    } catch (error) {
      notice(`The socket ${info.name} could not be taken back: ${messageOf(error)}`);
    }
  }
  for (const { record, ...rest } of past.processes.values()) {
    processes.restore(record, rest, handover?.readers[record.id]);
  }
  processes.settle();
}

/** Pids and sockets of another boot mean nothing: their owner has to make them again. */
function reportReboot({ processes, sockets }: PastState, notice: (text: string) => void): void {
  if (processes.size + sockets.size === 0) return;
  notice(
    `The machine was rebooted: ${processes.size} processes and ${sockets.size} sockets of before are gone.`,
  );
}

function reportLeftovers(
  home: Home,
  { records, damaged }: JournalContent,
  known: ReadonlySet<string>,
  notice: (text: string) => void,
): void {
  const missing = records.length === 0 && damaged === 0;
  const aside = sweepLeftovers(home, known, !missing && damaged === 0);
  if (aside === undefined) return;
  const what = missing ? "is missing or empty" : "was damaged";
  notice(`The journal ${what}: the output of processes it does not know is kept in ${aside}.`);
}

/** Watches processes that are no children through their pidfd. */
function watcher(pump: Pump): WatchProcess {
  return (pid, startTicks, ended) => {
    const pidfd = look(pid)?.startTicks === startTicks ? openPidfd(pid) : undefined;
    if (pidfd === undefined) {
      ended();
      return () => {};
    }
    let watching = true;
    const unwatch = (): void => {
      if (!watching) return;
      watching = false;
      pump.unwatch(pidfd);
      closeSync(pidfd);
    };
    pump.watch(pidfd, () => {
      unwatch();
      ended();
    });
    return unwatch;
  };
}

/** After a reboot nobody holds it, but its number goes on. */
function unheld({ type, name, epoch }: ClaimRecord): ClaimRecord {
  return { type, name, epoch };
}

/** A copy of a socket from a process that still holds it: it stays the same queue of connections. */
function takeFromHolder(info: SocketInfo, past: PastState): number | undefined {
  if (info.reuseport === true) return undefined;
  for (const { record, endedMs } of past.processes.values()) {
    const index = record.sockets.indexOf(info.name);
    if (index < 0 || endedMs !== undefined) continue;
    if (look(record.info.pid)?.startTicks !== record.startTicks) continue;
    const pidfd = openPidfd(record.info.pid);
    if (pidfd === undefined) continue;
    const fd = takeDescriptor(pidfd, 3 + index);
    closeSync(pidfd);
    if (fd === undefined) continue;
    if (isSameSocket(fd, info)) return fd;
    closeSync(fd);
  }
  return undefined;
}

/** The holder may have closed its copy, and the number stand for something else now. */
function isSameSocket(fd: number, info: SocketInfo): boolean {
  if (!fstatSync(fd).isSocket() || info.family === "unix") return false;
  return boundPort(fd) === info.port;
}

function describeStatus(
  home: Home,
  version: string,
  tables: Tables,
  events: EventLog,
  notices: readonly string[],
): KernelStatus {
  return {
    version,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1_000),
    home: home.directory,
    counts: {
      sockets: tables.sockets.size,
      values: tables.values.size,
      processes: tables.processes.size,
      claims: tables.claims.size,
    },
    memoryBytes: process.memoryUsage.rss(),
    notices,
    lastEvent: events.last,
  };
}

function allNotices(notices: readonly string[], journal: Journal): string[] {
  if (journal.lost === 0) return [...notices];
  return [
    ...notices,
    `${journal.lost} changes could not be written to the journal: the disk is full.`,
  ];
}

function damage({ damaged, keptAs }: JournalContent): string {
  if (keptAs === undefined || !existsSync(keptAs)) {
    throw newelError("NEWEL_E_INTERNAL", { what: "a damaged journal that was not kept aside" });
  }
  return `${damaged} lines of the journal were damaged and are lost; the file is kept as ${keptAs}.`;
}
