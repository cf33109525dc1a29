import {
  closeSync,
  existsSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";

import { crc32 } from "../base/crc32.ts";
import { systemCode } from "../base/errors.ts";
import type { KernelEvent, OutputPosition, ProcessInfo, SocketInfo } from "./api.ts";
import type { SocketFile } from "./socket-paths.ts";

/** A process as the journal keeps it: what recovery needs, and no environment. */
export interface ProcessRecord {
  readonly type: "process";
  readonly id: string;
  readonly info: Pick<
    ProcessInfo,
    "name" | "pid" | "startedMs" | "args" | "workingDir" | "uid" | "gid" | "shell"
  >;
  /** Clock ticks from boot to its start: with the pid it names one process for ever. */
  readonly startTicks: number;
  readonly settings: string;
  readonly bufsize: number;
  readonly streams: readonly ("out" | "err")[];
  /** The sockets it holds as descriptors 3, 4, … */
  readonly sockets: readonly string[];
  readonly mark?: string;
}

/** One change of what the kernel holds. Replaying all of them in order gives the state. */
export type JournalRecord =
  | {
      readonly type: "boot";
      readonly bootId: string;
      readonly pid: number;
      readonly version: string;
    }
  | { readonly type: "seq"; readonly seq: number }
  | SocketRecord
  | { readonly type: "socket removed"; readonly name: string }
  | { readonly type: "socket refusing"; readonly name: string; readonly refusing: boolean }
  | { readonly type: "value"; readonly name: string; readonly value: string }
  | { readonly type: "value removed"; readonly name: string }
  | ProcessRecord
  | {
      readonly type: "process ready";
      readonly id: string;
      readonly ready: boolean;
      readonly status?: string;
    }
  | {
      readonly type: "process ended";
      readonly id: string;
      readonly endedMs: number;
      readonly exitCode: number | null;
      /** What it said last may be lost. */
      readonly incomplete?: boolean;
    }
  /** It was removed while it ran, and leaves the list when it ends. */
  | { readonly type: "process leaving"; readonly id: string }
  /** It left the list, and is kept until its readers have read it. */
  | { readonly type: "process left"; readonly id: string }
  | { readonly type: "process removed"; readonly id: string }
  | ReaderRecord
  | { readonly type: "event"; readonly event: KernelEvent }
  | ClaimRecord;

/** A socket that the kernel holds; `file` is the one it made for a Unix socket. */
export interface SocketRecord {
  readonly type: "socket";
  readonly info: SocketInfo;
  readonly file?: SocketFile;
}

/** How far a reader has acknowledged the output of a process. */
export interface ReaderRecord {
  readonly type: "reader";
  readonly process: string;
  readonly pid: number;
  readonly reader: string;
  readonly position: OutputPosition;
}

/** A claim: the number of its last grant, and who has it. */
export interface ClaimRecord {
  readonly type: "claim";
  readonly name: string;
  readonly epoch: number;
  readonly holder?: {
    readonly pid: number;
    readonly startTicks: number;
    readonly sinceMs: number;
  };
}

/** What reading a journal found. */
export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** Lines that were torn or damaged; the file is then kept aside under `keptAs`. */
  readonly damaged: number;
  readonly keptAs?: string;
}

const COMPACT_BYTES = 1 << 20;

/**
 * The kernel's memory on disk: one checksummed line for each change, written before the change is
 * answered, and from time to time replaced by the lines that make the present state.
 *
 * A line in the page cache outlives any crash of the kernel; a loss of power also ends every child,
 * so only the values need the disk, and they get it soon after ({@link Journal.append}).
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  #sizeBytes = 0;
  #snapshotBytes = 0;
  #syncing = false;
  #lost = 0;

  private constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "a", 0o600);
    this.#sizeBytes = fstatSync(this.#fd).size;
  }

  /** Reads what is there, then opens it to be continued with {@link rewrite}. */
  static open(path: string): { journal: Journal; content: JournalContent } {
    const content = readJournal(path);
    return { journal: new Journal(path), content };
  }

  /** Changes that could not be written, the disk being full. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether {@link rewrite} would make the file much smaller, or complete again. */
  get stale(): boolean {
    if (this.#lost > 0) return true;
    return this.#sizeBytes > COMPACT_BYTES && this.#sizeBytes > 4 * this.#snapshotBytes;
  }

  append(record: JournalRecord): void {
    const line = encode(record);
    try {
      writeWhole(this.#fd, line);
      this.#sizeBytes += line.length;
    } catch (error) {
      if (!isFull(error)) throw error;
      // The kernel goes on with a full disk: what lives, lives. `status` tells the count.
      this.#lost += 1;
      // The beginning that found room would spoil the next line.
      ftruncateSync(this.#fd, this.#sizeBytes);
    }
    if (record.type === "value" || record.type === "value removed") this.#syncSoon();
  }

  /** Replaces the file by these records, in one step that a crash cannot split. */
  rewrite(records: Iterable<JournalRecord>): void {
    const next = `${this.#path}.next`;
    let size: number;
    try {
      size = writeNew(next, records);
    } catch (error) {
      rmSync(next, { force: true });
      if (!isFull(error)) throw error;
      this.#lost = Math.max(1, this.#lost);
      return;
    }
    renameSync(next, this.#path);
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, "a", 0o600);
    this.#sizeBytes = size;
    this.#snapshotBytes = size;
    this.#lost = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #syncSoon(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    fdatasync(this.#fd, () => {
      // An error here (the file was replaced meanwhile) costs nothing: rewrite() has synced.
      this.#syncing = false;
    });
  }
}

/** Writes records to a file of their own, down to the disk; gives its size in bytes. */
function writeNew(path: string, records: Iterable<JournalRecord>): number {
  const fd = openSync(path, "w", 0o600);
  try {
    let size = 0;
    for (const record of records) {
      const line = encode(record);
      writeWhole(fd, line);
      size += line.length;
    }
    fsyncSync(fd);
    return size;
  } finally {
    closeSync(fd);
  }
}

/** A disk that fills up takes a part first; only the next write says that it is full. */
function writeWhole(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}

function isFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

function encode(record: JournalRecord): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** Reads every line whose checksum holds; a file with others is kept aside. */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], damaged: 0 };
  const lines = readFileSync(path, "utf8").split("\n");
  const records: JournalRecord[] = [];
  let damaged = 0;
  for (const line of lines) {
    const record = decode(line);
    if (record !== undefined) records.push(record);
    // Also a last line that a crash cut off: it was never answered, but whoever looks should know.
    else if (line !== "") damaged += 1;
  }
  if (damaged === 0) return { records, damaged };
  const keptAs = `${path}.damaged-${Date.now()}`;
  renameSync(path, keptAs);
  return { records, damaged, keptAs };
}

function decode(line: string): JournalRecord | undefined {
  const json = line.slice(9);
  if (line.length < 10 || line[8] !== " " || checksum(json) !== line.slice(0, 8)) return undefined;
  try {
    const record: unknown = JSON.parse(json);
    const isRecord = typeof record === "object" && record !== null && "type" in record;
    return isRecord ? (record as JournalRecord) : undefined;
  } catch (error) {
    // Whoever wrote this, with its checksum, it was no kernel.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
