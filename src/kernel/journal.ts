import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";

import { isNewelError, messageOf, newelError, systemCode } from "../base/errors.ts";
import { preallocate } from "../posix/descriptors.ts";
import { explainErrno } from "../posix/libc.ts";
import {
  encode,
  endsWithLine,
  type JournalContent,
  readJournal,
  writeNew,
  writeWhole,
} from "./journal-file.ts";
import type { JournalRecord } from "./journal-records.ts";

const COMPACT_BYTES = 1 << 20;
/**
 * Room on the disk that is always kept for notes, in bytes: about a thousand events of processes. A
 * change that a client asks for is refused before it would use this room up.
 */
const RESERVE_BYTES = 128 << 10;
const BLOCK_BYTES = 64 << 10;

/**
 * The kernel's memory on disk: one checksummed line for each change, written before the change is
 * answered, and from time to time replaced by the lines that make the present state.
 *
 * A line in the page cache outlives any crash of the kernel; a loss of power also ends every child,
 * so only the values need the disk, and they get it soon after ({@link Journal.commit}).
 *
 * There are two kinds of lines, since a disk may be full, read-only or broken:
 *
 * | line | written by | when it cannot be written |
 * |---|---|---|
 * | a change that a client asks for | `commit`, `release` | the change is refused and nothing is done |
 * | what has happened (an end, an event) | `note`, into room that was reserved before | counted; `rewrite` repairs it later |
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  #sizeBytes = 0;
  #snapshotBytes = 0;
  /** The file has blocks on the disk up to here; `undefined` where the file system reserves none. */
  #reservedBytes: number | undefined = 0;
  /** Lines that have to stand before the next one: this kernel's boot, or the end of a torn line. */
  #owed: Buffer[] = [];
  #syncing = false;
  #lost = 0;
  #trouble: string | undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "a+", 0o600);
    this.#sizeBytes = fstatSync(this.#fd).size;
    if (this.#sizeBytes > 0 && !endsWithLine(this.#fd, this.#sizeBytes))
      this.#owed.push(Buffer.from("\n"));
  }

  /** Reads what is there, then opens it to be continued with {@link rewrite}. */
  static open(path: string): { journal: Journal; content: JournalContent } {
    const content = readJournal(path);
    return { journal: new Journal(path), content };
  }

  /** Notes that could not be written, and failed attempts to write the present state. */
  get lost(): number {
    return this.#lost;
  }

  /** Why changes are refused, in words; `undefined` once one could be written again. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether {@link rewrite} would make the file much smaller, or complete again. */
  get stale(): boolean {
    if (this.#lost > 0 || this.#trouble !== undefined) return true;
    return this.#sizeBytes > COMPACT_BYTES && this.#sizeBytes > 4 * this.#snapshotBytes;
  }

  /**
   * Writes a change that a client asks for; make the change only afterwards.
   *
   * @throws NEWEL_E_NOT_KEPT when it cannot be written; the file is as it was then
   */
  commit(record: JournalRecord): void {
    this.#change(record, RESERVE_BYTES);
  }

  /**
   * The same for a change that gives something up, which may use the reserved room: a full disk must
   * not keep an operator from stopping services.
   *
   * @throws NEWEL_E_NOT_KEPT when it cannot be written
   */
  release(record: JournalRecord): void {
    this.#change(record, 0);
  }

  /**
   * Writes down what has happened anyway.
   *
   * @returns whether it was written; if not, the next {@link rewrite} repairs that
   */
  note(record: JournalRecord): boolean {
    try {
      this.#write(encode(record));
      return true;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#lost += 1;
      return false;
    }
  }

  /**
   * Replaces the file by these records, in one step that a crash cannot split.
   *
   * @param boot - of this kernel, which has to be in the file also where it cannot be replaced
   */
  rewrite(records: Iterable<JournalRecord>, boot?: JournalRecord): void {
    const next = `${this.#path}.next`;
    let size: number;
    try {
      size = writeNew(next, records);
      renameSync(next, this.#path);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#trouble = reasonOf(error);
      removeIfPossible(next);
      this.#lost = Math.max(1, this.#lost);
      if (boot !== undefined) this.#owed.push(encode(boot));
      return;
    }
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, "a+", 0o600);
    this.#sizeBytes = size;
    this.#snapshotBytes = size;
    this.#reservedBytes = 0;
    this.#owed = [];
    this.#lost = 0;
    this.#trouble = undefined;
    this.#reserveEarly();
  }

  close(): void {
    // Room that was reserved and not used goes back to the disk.
    try {
      ftruncateSync(this.#fd, this.#sizeBytes);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    closeSync(this.#fd);
  }

  #change(record: JournalRecord, reserveBytes: number): void {
    const line = encode(record);
    try {
      if (reserveBytes > 0) this.#reserve(line.length + reserveBytes);
      this.#write(line);
    } catch (error) {
      if (isDiskTrouble(error)) this.#trouble = reasonOf(error);
      throw notKept(this.#path, error);
    }
    if (reserveBytes > 0) this.#trouble = undefined;
    if (record.type === "value" || record.type === "value removed") this.#syncSoon();
  }

  /** Makes sure that this many more bytes have their place on the disk. */
  #reserve(bytes: number): void {
    const needed = this.#sizeBytes + bytes;
    if (this.#reservedBytes === undefined || needed <= this.#reservedBytes) return;
    // Twice as much, so that this is no call for each line.
    const last = blocks(needed);
    for (const wanted of [last + RESERVE_BYTES, last]) {
      const errno = preallocate(this.#fd, this.#reservedBytes, wanted);
      if (errno === undefined) {
        this.#reservedBytes = wanted;
        return;
      }
      if (["EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EINVAL"].includes(errno)) {
        this.#reservedBytes = undefined;
        return;
      }
      if (wanted === last)
        throw Object.assign(new Error(`${errno}: ${explainErrno(errno)}`), { code: errno });
    }
  }

  /** For the notes of a kernel that no client has asked for anything yet. */
  #reserveEarly(): void {
    try {
      this.#reserve(RESERVE_BYTES);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  #write(line: Buffer): void {
    const bytes = this.#owed.length === 0 ? line : Buffer.concat([...this.#owed, line]);
    try {
      writeWhole(this.#fd, bytes);
    } catch (error) {
      this.#trouble = systemCode(error) === undefined ? undefined : reasonOf(error);
      this.#takeBack();
      throw error;
    }
    this.#owed = [];
    this.#sizeBytes += bytes.length;
  }

  /** The beginning that found room would spoil the next line. */
  #takeBack(): void {
    try {
      ftruncateSync(this.#fd, this.#sizeBytes);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#owed.unshift(Buffer.from("\n"));
    }
    if (this.#reservedBytes !== undefined) this.#reservedBytes = 0;
  }

  #syncSoon(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    const fd = this.#fd;
    fdatasync(fd, (error) => {
      this.#syncing = false;
      // A file that was replaced since is on the disk: rewrite() syncs it.
      if (error === null || fd !== this.#fd) return;
      this.#trouble = reasonOf(error);
      this.#lost += 1;
    });
  }
}

/** Whether an error is about the disk: full, read-only, broken, or a quota that is used up. */
export function isDiskTrouble(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EROFS", "EIO", "EFBIG"].includes(errnoOf(error) ?? "");
}

/** The refusal of a change that could not be written down. */
export function notKept(path: string, error: unknown): Error {
  if (errnoOf(error) === undefined) throw error;
  return newelError("NEWEL_E_NOT_KEPT", { path, why: reasonOf(error) }, error);
}

/** Why a write failed, in the operator's words: `the disk is full (ENOSPC)`. */
function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? messageOf(error);
  const words = code === "ENOSPC" ? "the disk is full" : explainErrno(code);
  return `${words} (${code})`;
}

/** The errno name of an error of Node.js or of a system call of ours. */
function errnoOf(error: unknown): string | undefined {
  if (!isNewelError(error)) return systemCode(error);
  const errno = error.code === "NEWEL_E_SYSCALL" ? error.data["errno"] : undefined;
  return errno === undefined ? undefined : String(errno);
}

/** Rounded up to the largest pages that Linux has, so that reservations never share one. */
function blocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}
