import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";

import { crc32 } from "../base/crc32.ts";
import type { JournalRecord } from "./journal-records.ts";

/**
 * The journal's file: one line for each record, which begins with the checksum of the rest.
 */

/** What reading a journal found. */
export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** Lines that were torn or damaged; the file is then kept aside under `keptAs`. */
  readonly damaged: number;
  readonly keptAs?: string;
}

/** Whether a file ends with a complete line. */
export function endsWithLine(fd: number, sizeBytes: number): boolean {
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, sizeBytes - 1);
  return last[0] === 0x0a;
}

/** Writes records to a new file, synced to the disk; returns its size in bytes. */
export function writeNew(path: string, records: Iterable<JournalRecord>): number {
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

/** Reads every line whose checksum holds; a file with others is kept aside. */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], damaged: 0 };
  const lines = readFileSync(path, "utf8").split("\n");
  const records: JournalRecord[] = [];
  let damaged = 0;
  for (const line of lines) {
    const record = decode(line);
    if (record !== undefined) records.push(record);
    // Also a last line that a crash cut off: its change was never answered, but the operator should know.
    else if (line !== "") damaged += 1;
  }
  if (damaged === 0) return { records, damaged };
  const keptAs = `${path}.damaged-${Date.now()}`;
  // The file itself stays until a whole one takes its place, which a full disk may forbid.
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
    // A line with a checksum that is no JSON was not written by a kernel.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
