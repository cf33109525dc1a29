import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { messageOf, systemCode } from "../base/errors.ts";
import { matches, toFileName } from "../base/names.ts";
import type { ProcessInfo, ProcessOutput, StreamName } from "./process-api.ts";
import type { GroupBounds } from "./archive-log.ts";
import { Archive, type Ended } from "./archive.ts";
import type { ProcessRecord } from "./journal-records.ts";
import type { ManagedProcess } from "./managed-process.ts";
import { readMarks } from "./marks.ts";
import type { PastProcess } from "./recovery.ts";

const STREAMS: readonly StreamName[] = ["out", "err"];
/** Ages are checked after this share of the shortest configured age, within these bounds. */
const AGE_SHARE = 10;
const AGE_CHECK_MS_MIN = 1_000;
const AGE_CHECK_MS_MAX = 600_000;

/**
 * The output of processes that left the list, by group, and the bounds that the processes of a group
 * share: over all of them together, the oldest output is dropped first.
 */
export class ArchiveTable {
  readonly #directory: string;
  readonly #archives = new Map<string, Archive>();
  /** The listed processes of a group, oldest first. */
  readonly #members: (group: string) => readonly ManagedProcess[];
  readonly #notice: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    directory: string,
    members: (group: string) => readonly ManagedProcess[],
    notice: (text: string) => void,
  ) {
    this.#directory = directory;
    this.#members = members;
    this.#notice = notice;
    for (const name of namesIn(directory)) this.#open(decodeURIComponent(name), { bufsize: 0 });
    this.#timer = setTimeout(() => this.#checkAges(), AGE_CHECK_MS_MIN).unref();
  }

  /** Gives a group the bounds of its newest process. */
  welcome(managed: ManagedProcess): void {
    const { group, bufsize, maxAgeMs } = managed.record;
    if (group === undefined) return;
    const bounds = { bufsize, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
    try {
      this.#open(group, bounds).bounds = bounds;
      this.#checkAges();
      this.enforce(group, managed);
    } catch (error) {
      this.#notice(`The bounds of the output of ${group} could not be kept: ${messageOf(error)}`);
    }
  }

  /** Takes over the output of a process that leaves the list, if it has a group. */
  keep(managed: ManagedProcess): void {
    const { record, endedMs = Date.now(), exitCode = null } = managed;
    if (record.group === undefined) return;
    managed.releaseNow();
    this.#add(record, { endedMs, exitCode, directory: managed.spoolDirectory });
    const moved = this.#archives.get(record.group)?.find(managed.name);
    if (moved?.info.pid === record.info.pid) managed.output.movedTo = moved.output;
  }

  /**
   * Takes over the output of a process that ended with the machine. A process without a group gets its own
   * archive: a reboot deletes no kept output.
   */
  keepPast({ record, endedMs, exitCode = null }: PastProcess, directory: string): void {
    const lastMs = readMarks(join(directory, "index")).at(-1)?.timeMs;
    this.#add(record, { endedMs: endedMs ?? lastMs ?? record.info.startedMs, exitCode, directory });
  }

  /** Lists archived processes by names of processes or groups. */
  list(patterns: readonly string[]): ProcessInfo[] {
    return [...this.#archives.values()].flatMap((archive) => {
      const isWhole = patterns.some((pattern) => matches(pattern, archive.group));
      const all = archive.list();
      return patterns.length === 0 || isWhole
        ? all
        : all.filter(({ name }) => patterns.some((pattern) => matches(pattern, name)));
    });
  }

  find(name: string): { readonly info: ProcessInfo; readonly output: ProcessOutput } | undefined {
    for (const archive of this.#archives.values()) {
      const found = archive.find(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Enforces the bound of a group over the output of all its processes together.
   *
   * @param filling - a process that is about to begin a piece; room is made for that piece
   */
  enforce(group: string, filling?: ManagedProcess): void {
    const archive = this.#archives.get(group);
    if (archive === undefined || archive.bounds.bufsize === 0) return;
    const { bufsize } = archive.bounds;
    const members = this.#members(group);
    for (const stream of STREAMS) {
      const spools = members.flatMap((member) => member.output.spool(stream) ?? []);
      const kept = spools.reduce((sum, { keptBytes }) => sum + keptBytes, 0);
      const room = filling?.output.spool(stream)?.pieceBytes ?? 0;
      let over = kept + room + archive.keptBytes(stream) - bufsize;
      if (over > 0) over -= archive.dropBytes(stream, over);
      for (const spool of spools) if (over > 0) over -= spool.dropBytes(over);
    }
  }

  /**
   * Drops the kept output of groups, including that of processes in the list.
   *
   * @returns how many bytes were dropped
   */
  prune(patterns: readonly string[]): number {
    let bytes = 0;
    for (const archive of this.#archives.values()) {
      if (!patterns.some((pattern) => matches(pattern, archive.group))) continue;
      bytes += archive.prune();
      for (const member of this.#members(archive.group)) bytes += member.output.prune();
      if (archive.list().length === 0) this.#discard(archive);
    }
    return bytes;
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const archive of this.#archives.values()) archive.close();
  }

  #add(
    { id, info, group = info.name, bufsize, maxAgeMs, streams }: ProcessRecord,
    ended: Pick<Ended, "endedMs" | "exitCode" | "directory">,
  ): void {
    const { name, pid, startedMs } = info;
    const bounds = { bufsize, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
    this.#open(group, bounds).add({ id, name, pid, startedMs, streams, ...ended });
    this.enforce(group);
  }

  #open(group: string, bounds: GroupBounds): Archive {
    const known = this.#archives.get(group);
    if (known !== undefined) return known;
    const directory = join(this.#directory, toFileName(group));
    const archive = new Archive(directory, group, bounds, this.#notice);
    this.#archives.set(group, archive);
    return archive;
  }

  /** Removes an archive that was never written to and whose group has no process. */
  #discard(archive: Archive): void {
    if (this.#members(archive.group).length > 0) return;
    this.#archives.delete(archive.group);
    const directory = join(this.#directory, toFileName(archive.group));
    if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
  }

  #checkAges(): void {
    clearTimeout(this.#timer);
    let shortestMs = Infinity;
    for (const archive of this.#archives.values()) {
      const { maxAgeMs } = archive.bounds;
      if (maxAgeMs === undefined) continue;
      shortestMs = Math.min(shortestMs, maxAgeMs);
      const cutoffMs = Date.now() - maxAgeMs;
      archive.dropOlder(cutoffMs);
      for (const member of this.#members(archive.group)) member.output.dropOlder(cutoffMs);
    }
    if (shortestMs === Infinity) return;
    const waitMs = Math.max(AGE_CHECK_MS_MIN, Math.min(AGE_CHECK_MS_MAX, shortestMs / AGE_SHARE));
    this.#timer = setTimeout(() => this.#checkAges(), waitMs).unref();
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
