import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";

import { crc32 } from "../base/crc32.ts";
import type { JournalRecord } from "./journal-records.ts";

/**
 * The journal's file: one line for each record, which begins with the checksum of the rest.
 */

/** The result of reading a journal. */
export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** The number of torn or damaged lines; with any, the file is kept under the name `keptAs`. */
  readonly damaged: number;
  readonly keptAs?: string;
}

/** Whether a file ends with a complete line. */
export function endsWithLine(fd: number, sizeBytes: number): boolean {
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, sizeBytes - 1);
  return last[0] === 0x0a;
}

/** A journal that was just written. */
interface NewJournal {
  /** The descriptor for appending. It is opened before the renaming, because an open after it could fail. */
  readonly fd: number;
  readonly sizeBytes: number;
}

/** Writes records to a new file, synced to the disk. */
export function writeNew(path: string, records: Iterable<JournalRecord>): NewJournal {
  rmSync(path, { force: true });
  const fd = openSync(path, "ax+", 0o600);
  try {
    let sizeBytes = 0;
    for (const record of records) {
      const line = encode(record);
      writeWhole(fd, line);
      sizeBytes += line.length;
    }
    fsyncSync(fd);
    return { fd, sizeBytes };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Makes the names of a directory's files as safe as their content. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A disk that becomes full first accepts a part of the bytes; only the next write reports that it is full.
 */
export function writeWhole(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}

export function encode(record: JournalRecord): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** Reads every line whose checksum is right; a file with other lines is kept under another name. */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], damaged: 0 };
  const lines = readFileSync(path, "utf8").split("\n");
  const records: JournalRecord[] = [];
  let damaged = 0;
  for (const line of lines) {
    const record = decode(line);
    if (record !== undefined) records.push(record);
    // Counts also a last line that a crash cut off: its change was never answered, but the operator should
    // know.
    else if (line !== "") damaged += 1;
  }
  if (damaged === 0) return { records, damaged };
  const keptAs = `${path}.damaged-${Date.now()}`;
  // The file itself stays until a complete file replaces it, because a full disk may prevent the replacement.
  linkSync(path, keptAs);
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
    // A line with a checksum but without JSON was not written by a kernel.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
