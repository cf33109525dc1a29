import { closeSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { counted } from "../base/counted.ts";
import { messageOf, newelError, systemCode } from "../base/errors.ts";
import { type Home, makeHome } from "../base/home.ts";
import { becomeSubreaper, openPidfd } from "../posix/process.ts";
import type { Kernel, KernelStatus, RecoveryStatus, SocketReturn } from "./api.ts";
import { ArchiveTable } from "./archives.ts";
import { ClaimTable, type WatchProcess } from "./claims.ts";
import { look } from "./proc.ts";
import { EventLog } from "./events.ts";
import { addFoundProcesses } from "./found-processes.ts";
import { type Handover, isSocket, soundReaders } from "./handover.ts";
import { Journal } from "./journal.ts";
import type { JournalContent } from "./journal-file.ts";
import type { ClaimRecord, JournalRecord } from "./journal-records.ts";
import { sweepLeftovers } from "./leftovers.ts";
import { spoolDirectory } from "./managed-process.ts";
import { ProcessTable } from "./processes.ts";
import { Pump } from "./pump.ts";
import { ReaderTable } from "./readers.ts";
import { bootId, type PastState, replay } from "./recovery.ts";
import { Refusals } from "./refusals.ts";
import { SocketTable } from "./sockets.ts";
import { recoveryLevel, takeBack } from "./take-back.ts";
import { ValueTable } from "./values.ts";

export interface OpenOptions {
  readonly version: string;
  /** The handover of the kernel that this process ran before it replaced itself. */
  readonly handover?: Handover;
  /** Whether this process ran a kernel just before. Default false. */
  readonly upgraded?: boolean;
  /** Called with messages for the operator; the newest messages are in `status` too. */
  readonly notice: (text: string) => void;
}

/** An open kernel; closing it releases every descriptor and ends no process. */
export interface OpenKernel extends Kernel {
  /** Call before the connections are closed because the kernel ends: their claims stay with their holders. */
  keepClaims(): void;
  /** The exit code of a child process that is not in the process table. */
  awaitChild(pid: number): Promise<number>;
  /** Stops all work and returns the descriptors that a successor in this process needs. */
  handOver(): Promise<Handover>;
  close(): Promise<void>;
}

const NOTICES = 20;
const COMPACT_EVERY_MS = 5_000;

/**
 * Opens the kernel of a home: reads the journal, recovers the processes and sockets of an earlier kernel, and
 * continues.
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
  const { pump, events, archives, ...tables } = makeTables(home, journal, past, notice);
  const { sockets, values, claims, processes, readers } = tables;
  const sameBoot = past.sameBoot || past.bootId === undefined;
  if (sameBoot) addFoundProcesses(home, past, notice);
  const returned = sameBoot ? takeBack(past, tables, options.handover, notice) : {};
  if (!sameBoot) leaveBoot(home, past, archives, notice);
  openWhenAbandoned(tables, events);
  reportLeftovers(home, content, processes.ids, notice);
  for (const claim of past.claims.values())
    claims.restore(past.sameBoot ? claim : unheld(claim), watcher(pump));

  const boot = bootRecord(options.version);
  const snapshot = (): Iterable<JournalRecord> => snapshotOf(boot, events, tables);
  journal.rewrite(snapshot(), boot);
  const compacting = setInterval(() => {
    if (journal.stale) journal.rewrite(snapshot());
  }, COMPACT_EVERY_MS).unref();

  return {
    sockets: sockets.verbs,
    values: values.verbs,
    claims: claims.verbs,
    processes: processes.verbs,
    readers: readers.verbs,
    events: events.verbs,
    status: () => ({
      ...describeStatus(home, options.version, tables, events),
      recovery: describeRecovery(past, options, returned, tables),
      notices: allNotices(notices, journal),
    }),
    idle: () => sockets.size + values.size + processes.size === 0,
    keepClaims: () => claims.freeze(),
    awaitChild: (pid) => processes.awaitChild(pid),
    async handOver() {
      clearInterval(compacting);
      claims.freeze();
      sockets.rest();
      await processes.rest();
      await pump.stop();
      return soundHandover(home, tables, notice);
    },
    async close() {
      clearInterval(compacting);
      sockets.rest();
      await processes.close();
      await pump.close();
      sockets.close();
      journal.close();
    },
  };
}

function bootRecord(version: string): JournalRecord {
  return { type: "boot", bootId: bootId(), pid: process.pid, version };
}

/** The records of the present state. */
function* snapshotOf(
  boot: JournalRecord,
  events: EventLog,
  tables: Tables,
): Iterable<JournalRecord> {
  yield boot;
  yield* events.snapshot();
  for (const table of Object.values(tables)) yield* table.snapshot();
}

function makeTables(
  home: Home,
  journal: Journal,
  past: PastState,
  notice: (text: string) => void,
): Tables & {
  readonly pump: Pump;
  readonly events: EventLog;
  readonly archives: ArchiveTable;
} {
  const events = new EventLog(past.lastEvent, past.events, journal);
  const pump = new Pump(notice);
  const refusals = new Refusals(past.refusing, { journal, pump, notice });
  const sockets = new SocketTable(
    journal,
    events,
    refusals,
    (name) => processes.socketHolders(name).length,
  );
  const values = new ValueTable(past.values, journal, events);
  const claims = new ClaimTable(journal, events);
  const readers = new ReaderTable(past.sameBoot ? past.readers : [], journal, () =>
    processes.forgetRead(),
  );
  const archives = new ArchiveTable(
    home.archiveDirectory,
    (group) => processes.members(group),
    notice,
  );
  const parts = { home, journal, events, sockets, readers, pump, archives, notice };
  const processes = new ProcessTable(parts);
  return { pump, events, archives, sockets, values, claims, processes, readers };
}

/**
 * The descriptors for a successor, each checked to be the expected file: a number that belongs to another
 * file is left out, and the successor opens that socket or FIFO as after a crash.
 */
function soundHandover(
  home: Home,
  { sockets, processes }: Tables,
  notice: (text: string) => void,
): Handover {
  const infos = new Map(sockets.verbs.list().map((info) => [info.name, info]));
  const left: string[] = [];
  const passed = Object.entries(sockets.descriptors).filter(([name, fd]) => {
    const info = infos.get(name);
    const isSound = info !== undefined && isSocket(fd, info);
    if (!isSound) left.push(name);
    return isSound;
  });
  if (left.length > 0)
    notice(
      `These sockets were not open any more when the kernel was replaced: ${left.join(", ")}.`,
    );
  const readers = Object.entries(processes.readers).map(
    ([id, each]) => [id, soundReaders(home, id, each)] as const,
  );
  return { sockets: Object.fromEntries(passed), readers: Object.fromEntries(readers) };
}

/** The newest notices, each reported once. */
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

/** Opens a socket that could not be taken from its holders, once the last holder has ended. */
function openWhenAbandoned({ sockets, processes }: Tables, events: EventLog): void {
  events.verbs.onEvent(({ noun, type }) => {
    if (noun === "process" && type === "ended")
      sockets.openAbandoned((name) => processes.socketHolders(name).length > 0);
  });
}

/**
 * Reports processes and sockets of another boot: their pids and descriptors mean nothing now, and their owner
 * has to make them again.
 */
function reportReboot({ processes, sockets }: PastState, notice: (text: string) => void): void {
  if (processes.size + sockets.size === 0) return;
  notice(
    `The machine was rebooted: ${counted(processes.size, "process", "processes")} and ${counted(sockets.size, "socket")} of before are gone.`,
  );
}

/** Keeps the output of another boot: it shows the events before the machine went down. */
function leaveBoot(
  home: Home,
  state: PastState,
  archives: ArchiveTable,
  notice: (text: string) => void,
): void {
  reportReboot(state, notice);
  for (const past of state.processes.values()) {
    const directory = spoolDirectory(home, past.record.id);
    try {
      archives.keepPast(past, directory);
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      const aside = join(home.directory, `lost-${past.record.id}`);
      if (existsSync(directory)) renameSync(directory, aside);
      notice(
        `The output of ${past.record.info.name} from before the reboot could not be archived (${messageOf(error)}); it is kept in ${aside}.`,
      );
    }
  }
}

function reportLeftovers(
  home: Home,
  { records, damaged }: JournalContent,
  known: ReadonlySet<string>,
  notice: (text: string) => void,
): void {
  const missing = records.length === 0 && damaged === 0;
  let aside: string | undefined;
  try {
    aside = sweepLeftovers(home, known, !missing && damaged === 0);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    notice(`Files of processes that are gone could not be cleared away: ${messageOf(error)}`);
  }
  if (aside === undefined) return;
  const what = missing ? "is missing or empty" : "was damaged";
  notice(`The journal ${what}: the output of processes it does not know is kept in ${aside}.`);
}

/** Watches processes that are not children through their pidfd. */
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

/** A claim after a reboot: it has no holder, but its number continues. */
function unheld({ type, name, epoch }: ClaimRecord): ClaimRecord {
  return { type, name, epoch };
}

interface Tables {
  readonly sockets: SocketTable;
  readonly values: ValueTable;
  readonly claims: ClaimTable;
  readonly processes: ProcessTable;
  readonly readers: ReaderTable;
}

function describeStatus(
  home: Home,
  version: string,
  tables: Tables,
  events: EventLog,
): Omit<KernelStatus, "notices" | "recovery"> {
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
    lastEvent: events.last,
  };
}

function describeRecovery(
  past: PastState,
  { upgraded }: OpenOptions,
  returned: Readonly<Record<string, SocketReturn>>,
  { sockets, processes }: Tables,
): RecoveryStatus {
  const before = upgraded === true ? "upgrade" : past.sameBoot ? "end" : "reboot";
  const after = past.bootId === undefined ? "nothing" : before;
  const level = recoveryLevel(sockets.heldElsewhere, processes.socketHolders());
  return { after, sockets: returned, level };
}

function allNotices(notices: readonly string[], journal: Journal): string[] {
  if (journal.trouble === undefined) return [...notices];
  return [
    ...notices,
    `The journal cannot be written: ${journal.trouble}. Changes are refused; the kernel tries again.`,
  ];
}

function damage({ damaged, keptAs }: JournalContent): string {
  if (keptAs === undefined || !existsSync(keptAs)) {
    throw newelError("NEWEL_E_INTERNAL", { what: "a damaged journal that was not kept aside" });
  }
  return `${counted(damaged, "line")} of the journal ${damaged === 1 ? "was" : "were"} damaged and ${damaged === 1 ? "is" : "are"} lost; the file is kept as ${keptAs}.`;
}
