import { messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { checkName, matches } from "../base/names.ts";
import { reapOne } from "../posix/process.ts";
import type { Kernel } from "./api.ts";
import { Descendants, signalNumber } from "./descendants.ts";
import type { ArchiveTable } from "./archives.ts";
import { Departures } from "./departures.ts";
import type { EventLog } from "./events.ts";
import { soundReaders } from "./handover.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord, ProcessRecord } from "./journal-records.ts";
import {
  type KeptReaders,
  ManagedProcess,
  openOutput,
  type ProcessObserver,
  removeOutput,
} from "./managed-process.ts";
import type { KeptOutput } from "./output.ts";
import { look, ticksSinceBoot } from "./proc.ts";
import { hashSettings, readyRecord, snapshotOf } from "./process-record.ts";
import type { Pump } from "./pump.ts";
import type { ReaderTable } from "./readers.ts";
import type { PastProcess } from "./recovery.ts";
import { type Starting, startProcess } from "./start-process.ts";
import { signalTree } from "./signal-tree.ts";
import type { SocketTable } from "./sockets.ts";
import { viewTrees } from "./tree-view.ts";

/** The parts of a process table. */
export interface ProcessTableParts {
  readonly home: Home;
  readonly journal: Journal;
  readonly events: EventLog;
  readonly sockets: SocketTable;
  readonly readers: ReaderTable;
  readonly pump: Pump;
  readonly archives: ArchiveTable;
  readonly notice: (text: string) => void;
}

/** A process that was given a socket, and the descriptor number in that process. */
export interface SocketHolder {
  readonly pid: number;
  readonly fd: number;
}

/** The process table: makes, lists and signals processes and keeps their output. It never restarts one. */
export class ProcessTable {
  readonly #processes = new Map<string, ManagedProcess>();
  readonly #departures: Departures;
  readonly #others = new Map<number, (exitCode: number) => void>();
  readonly #ending = new Set<Promise<void>>();
  readonly #descendants = new Descendants(() => this.#processes.values());
  readonly #parts: ProcessTableParts;

  constructor(parts: ProcessTableParts) {
    this.#parts = parts;
    this.#departures = new Departures(parts);
    process.on("SIGCHLD", this.#reap);
  }

  readonly verbs: Kernel["processes"] = {
    make: (request) => {
      checkName(request.name, "The process name");
      const settings = hashSettings(request);
      const existing = this.#processes.get(request.name);
      if (existing !== undefined) {
        if (existing.record.settings === settings) return existing.info();
        const { pid, args } = existing.record.info;
        throw newelError("NEWEL_E_EXISTS", {
          noun: "Process",
          name: request.name,
          existing: `pid=${pid} running=${existing.running} args=${args.join(" ")}`,
        });
      }
      return startProcess(request, settings, this.#parts, this.#starting).info();
    },
    list: (patterns = []) =>
      this.#matching(patterns)
        .map((process) => process.info())
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    remove: (patterns) => {
      for (const pattern of patterns) {
        const found = this.#matching([pattern]);
        if (found.length === 0 && !pattern.endsWith("*")) throw notFound(pattern);
        for (const process of found) {
          if (process.closed) this.#remove(process);
          else this.#leaveLater(process);
        }
      }
    },
    signal: (name, signal, scope, only) => {
      const process = this.#find(name);
      return signalTree(process, this.#descendants, { signal: signalNumber(signal), scope, only });
    },
    trees: (patterns, detail) => viewTrees(this.#matching(patterns), this.#descendants, detail),
    output: (name) =>
      (this.#processes.get(name) ?? this.#departures.get(name))?.output ??
      this.#parts.archives.find(name)?.output ??
      this.#find(name).output,
    archived: (patterns = []) => this.#parts.archives.list(patterns),
    prune: (patterns) => {
      const alone = this.#matching(patterns).filter(
        ({ name, record }) =>
          record.group === undefined && patterns.some((pattern) => matches(pattern, name)),
      );
      const bytes = alone.reduce((sum, { output }) => sum + output.prune(), 0);
      return { bytes: bytes + this.#parts.archives.prune(patterns) };
    },
    acknowledgeEnd: (name) => {
      const process = this.#processes.get(name);
      if (process?.closed === true) this.#leave(process);
    },
    departed: (patterns) => {
      return [...this.#departures.all]
        .filter(({ name }) => patterns.some((pattern) => matches(pattern, name)))
        .map((process) => process.info());
    },
  };

  /** The processes of a group that are not archived: first the ended ones, then by age. */
  members(group: string): readonly ManagedProcess[] {
    return [...this.#processes.values(), ...this.#departures.all]
      .filter(({ record }) => record.group === group)
      .sort(
        (a, b) =>
          Number(a.running) - Number(b.running) ||
          a.record.info.startedMs - b.record.info.startedMs,
      );
  }

  get size(): number {
    return this.#processes.size;
  }

  /** The base names of the files of all processes. */
  get ids(): ReadonlySet<string> {
    const all = [...this.#processes.values(), ...this.#departures.all];
    return new Set(all.map(({ record }) => record.id));
  }

  /** The running processes that were given this socket; without a name, any socket. */
  socketHolders(name?: string): SocketHolder[] {
    return [...this.#processes.values()].flatMap(({ running, record }) =>
      record.sockets.flatMap((socket, index) =>
        running && (name ?? socket) === socket ? [{ pid: record.info.pid, fd: 3 + index }] : [],
      ),
    );
  }

  /** Forgets the processes that left the list and whose output no reader waits for any more. */
  forgetRead(): void {
    this.#departures.forgetRead();
  }

  *snapshot(): Iterable<JournalRecord> {
    for (const managed of [...this.#processes.values(), ...this.#departures.all])
      yield* snapshotOf(managed, this.#departures.has(managed));
  }

  /**
   * Restores a process of an earlier kernel: a living one is kept, the output of an ended one stays readable.
   */
  restore({ record, ...past }: PastProcess, kept?: KeptReaders): void {
    const { home, pump, notice } = this.#parts;
    const output = openOutput(home, record, notice);
    const managed = new ManagedProcess({ record, home, pump, output, observer: this.#observer });
    managed.ready = past.ready;
    managed.status = past.status;
    managed.leaving = past.leaving === true;
    if (past.left === true) this.#departures.restore(managed);
    else this.#processes.set(managed.name, managed);
    const seen = look(record.info.pid);
    const alive = seen?.startTicks === record.startTicks;
    // A zombie has closed its pipes too.
    const unseen = past.endedMs === undefined && (!alive || seen.state === "Z");
    const lost = unseen && kept === undefined && !managed.isHeldElsewhere();
    managed.incomplete = past.incomplete ?? lost;
    const sound = kept === undefined ? {} : soundReaders(this.#parts.home, record.id, kept);
    managed.recapture(sound, past.endedMs !== undefined);
    if (past.incomplete === undefined && managed.incomplete)
      this.#parts.notice(
        `${managed.name} ended while no kernel ran, and no other process held its pipes: its last output may have been lost.`,
      );
    if (past.endedMs !== undefined) this.#end(managed, past.exitCode ?? null, past.endedMs);
    else if (!alive || managed.pidfd === undefined) this.#ended(managed, null);
    else this.#parts.pump.watch(managed.pidfd, () => this.#reapOrGone(managed));
  }

  /** Call after every process was restored: records the ends of processes that ended while no kernel ran. */
  settle(): void {
    this.#reap();
    this.forgetRead();
  }

  /** The exit code of a child process that is not in the table. */
  awaitChild(pid: number): Promise<number> {
    return new Promise((resolve) => this.#others.set(pid, resolve));
  }

  /** The descriptors of every process, by id, for a successor of this kernel. */
  get readers(): Record<string, KeptReaders> {
    const all = [...this.#processes.values(), ...this.#departures.all];
    return Object.fromEntries(all.map((managed) => [managed.record.id, managed.readers]));
  }

  /** Stops waiting for ends of processes, once the ends in progress are recorded. */
  async rest(): Promise<void> {
    process.removeListener("SIGCHLD", this.#reap);
    await Promise.all(this.#ending);
    this.#parts.archives.close();
  }

  /** Closes every descriptor; the processes themselves continue to run. */
  async close(): Promise<void> {
    await this.rest();
    const all = [...this.#processes.values(), ...this.#departures.all];
    await Promise.all(all.map((managed) => managed.release()));
    await this.#departures.erased();
  }

  readonly #starting: Starting = {
    begin: (record, output) => this.#begin(record, output),
    discard: (id, output) => this.#discard(id, output),
  };

  /** Lists a process that was just started, and writes its pid to the journal. */
  #begin(record: ProcessRecord, output: KeptOutput): ManagedProcess {
    const { home, pump, journal } = this.#parts;
    const managed = new ManagedProcess({ record, home, pump, output, observer: this.#observer });
    const { name } = managed;
    // Without this line the next kernel finds the process by its FIFOs; without FIFOs the process would be
    // lost.
    if (!journal.note(record) && record.streams.length === 0)
      throw newelError("NEWEL_E_NOT_KEPT", {
        path: home.journal,
        why: journal.trouble ?? "unknown",
      });
    this.#departures.forget(this.#departures.get(name));
    this.#processes.set(name, managed);
    this.#parts.archives.welcome(managed);
    return managed;
  }

  /** Removes every trace of a process that could not be started. */
  #discard(id: string, output: KeptOutput | undefined): void {
    this.#parts.journal.note({ type: "process removed", id });
    for (const [name, { record }] of this.#processes)
      if (record.id === id) this.#processes.delete(name);
    if (output === undefined) return;
    const erased = output.close().then(() => removeOutput(this.#parts.home, id));
    this.#departures.erasing(id, erased);
  }

  readonly #observer: ProcessObserver = {
    said: (managed) => {
      this.#parts.journal.note(readyRecord(managed));
      const { name, record, ready, status } = managed;
      this.#parts.events.record({
        type: ready ? "ready" : "status",
        noun: "process",
        name,
        pid: record.info.pid,
        ...(status === undefined ? {} : { status }),
      });
    },
    listens: ({ name, record }, listen) => {
      const { pid } = record.info;
      this.#parts.events.record({ type: "listen", noun: "process", name, pid, listen });
    },
    closed: (managed) => {
      const { name, record, exitCode } = managed;
      this.#parts.events.record({
        type: "closed",
        noun: "process",
        name,
        pid: record.info.pid,
        exitCode: exitCode ?? null,
      });
      if (managed.leaving) this.#leave(managed);
      else if (record.group !== undefined) this.#parts.archives.enforce(record.group);
    },
    pieceFull: (managed) => {
      const { group } = managed.record;
      if (group !== undefined) this.#parts.archives.enforce(group, managed);
    },
    notice: (text) => this.#parts.notice(text),
  };

  /** All children of this process are started here; as subreaper it also gets their orphans. */
  readonly #reap = (): void => {
    for (let reaped = reapOne(); reaped !== undefined; reaped = reapOne()) {
      const { pid, exitCode } = reaped;
      const managed = [...this.#processes.values()].find(
        ({ running, record }) => running && record.info.pid === pid,
      );
      if (managed !== undefined) this.#ended(managed, exitCode);
      this.#others.get(pid)?.(exitCode);
      this.#others.delete(pid);
    }
  };

  /** Handles the end of a restored process: a child after an upgrade, no child after a crash. */
  #reapOrGone(managed: ManagedProcess): void {
    this.#reap();
    if (managed.running) this.#ended(managed, null);
  }

  #ended(managed: ManagedProcess, exitCode: number | null): void {
    const endedMs = Date.now();
    const { record, name } = managed;
    managed.endedTicks = ticksSinceBoot();
    if (managed.pidfd !== undefined) this.#parts.pump.unwatch(managed.pidfd);
    const lossy = managed.incomplete ? { incomplete: true } : {};
    this.#parts.journal.note({
      type: "process ended",
      id: record.id,
      endedMs,
      exitCode,
      ...lossy,
    });
    this.#end(managed, exitCode, endedMs);
    this.#parts.events.record({
      type: "ended",
      noun: "process",
      name,
      pid: record.info.pid,
      exitCode,
    });
  }

  /** Reads the last output and records the end before this kernel releases any descriptor. */
  #end(managed: ManagedProcess, exitCode: number | null, endedMs: number): void {
    const ending = managed
      .end(exitCode, endedMs)
      .catch((error: unknown) =>
        this.#parts.notice(`the end of ${managed.name}: ${messageOf(error)}`),
      )
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Removes an ended process from the list, and records the removal for the next kernel. */
  #leaveLater(managed: ManagedProcess): void {
    if (managed.leaving) return;
    this.#parts.journal.release({ type: "process leaving", id: managed.record.id });
    managed.leaving = true;
  }

  /** Removes a process for a client: the request is answered only if the removal is in the journal. */
  #remove(managed: ManagedProcess): void {
    const { id } = managed.record;
    const isRead = !this.#parts.readers.isBehind(managed.info());
    this.#parts.journal.release({ type: isRead ? "process removed" : "process left", id });
    this.#leave(managed);
  }

  #leave(managed: ManagedProcess): void {
    const { name } = managed;
    this.#processes.delete(name);
    this.#departures.add(managed);
    this.#parts.events.record({ type: "removed", noun: "process", name });
  }

  #find(name: string): ManagedProcess {
    const managed = this.#processes.get(name);
    if (managed === undefined) throw notFound(name);
    return managed;
  }

  #matching(patterns: readonly string[]): ManagedProcess[] {
    const all = [...this.#processes.values()];
    // A set, because the list may have thousands of names when many services are stopped.
    const exact = new Set(patterns);
    const prefixes = patterns.filter((pattern) => pattern.endsWith("*"));
    return patterns.length === 0
      ? all
      : all.filter(({ name }) => exact.has(name) || prefixes.some((one) => matches(one, name)));
  }
}

function notFound(name: string): Error {
  return newelError("NEWEL_E_NOT_FOUND", { name, noun: "processes" });
}
