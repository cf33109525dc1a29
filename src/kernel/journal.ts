import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";

import { isNewelError, messageOf, newelError, systemCode } from "../base/errors.ts";
import { preallocate } from "../posix/descriptors.ts";
import { explainErrno } from "../posix/libc.ts";
import {
  encode,
  endsWithLine,
  type JournalContent,
  readJournal,
  syncDirectory,
  writeNew,
  writeWhole,
} from "./journal-file.ts";
import type { JournalRecord } from "./journal-records.ts";

const COMPACT_BYTES = 1 << 20;
/**
 * Room on the disk that is always reserved for notes, in bytes: about a thousand events of processes. A
 * change that a client asks for is refused before it would use this room.
 */
const RESERVE_BYTES = 128 << 10;
const BLOCK_BYTES = 64 << 10;

/** A caller that waits until a change is on the disk. */
interface Waiting {
  /** Its number. */
  readonly change: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The kernel's state on disk, as a log: one checksummed line for each change, written before the change is
 * answered. From time to time the file is replaced by the lines of the present state.
 *
 * A line in the page cache outlives any crash of the kernel; a loss of power also ends every child,
 * so only the values need the disk: a change of them is answered after {@link Journal.synced}.
 *
 * There are two kinds of lines, because a disk may be full, read-only or broken:
 *
 * | line | written by | when it cannot be written |
 * |---|---|---|
 * | a change that a client asks for | `commit`, `release` | the change is refused and nothing is done |
 * | a fact (an end, an event) | `note`, into room that was reserved before | counted; `rewrite` repairs it
 * later |
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  /** Which file that is, since the number of a descriptor is used again. */
  #file = 0;
  #sizeBytes = 0;
  #snapshotBytes = 0;
  /** The file has blocks on the disk up to here; `undefined` where the file system reserves none. */
  #reservedBytes: number | undefined = 0;
  /** Lines that must be written before the next one: this kernel's boot, or the end of a torn line. */
  #owed: Buffer[] = [];
  #syncing = false;
  /** Whether the directory was synced since the file got its name. */
  #isNamed = true;
  /** Changes of values: how many were written, how many of them are on the disk, and callers that wait. */
  #written = 0;
  #safe = 0;
  #waiting: Waiting[] = [];
  #lost = 0;
  #trouble: string | undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "a+", 0o600);
    this.#sizeBytes = fstatSync(this.#fd).size;
    if (this.#sizeBytes > 0 && !endsWithLine(this.#fd, this.#sizeBytes))
      this.#owed.push(Buffer.from("\n"));
  }

  /** Reads the file, then opens it to be continued with {@link rewrite}. */
  static open(path: string): { journal: Journal; content: JournalContent } {
    const content = readJournal(path);
    return { journal: new Journal(path), content };
  }

  /** Notes that could not be written, and failed attempts to write the present state. */
  get lost(): number {
    return this.#lost;
  }

  /** Why changes are refused, as text; `undefined` once a change could be written again. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether {@link rewrite} would make the file much smaller, or complete again. */
  get stale(): boolean {
    if (this.#lost > 0 || this.#trouble !== undefined) return true;
    return this.#sizeBytes > COMPACT_BYTES && this.#sizeBytes > 4 * this.#snapshotBytes;
  }

  /**
   * Writes a change that a client asks for; the caller makes the change only afterwards.
   *
   * @throws NEWEL_E_NOT_KEPT when the line cannot be written; the file is then as it was before
   */
  commit(record: JournalRecord): void {
    this.#change(record, RESERVE_BYTES);
  }

  /**
   * Writes a change that ends or removes something. It may use the reserved room: a full disk must not keep
   * an operator from stopping services.
   *
   * @throws NEWEL_E_NOT_KEPT when the line cannot be written
   */
  release(record: JournalRecord): void {
    this.#change(record, 0);
  }

  /**
   * Resolves when every change of a value so far is on the disk.
   *
   * @throws NEWEL_E_NOT_KEPT when the disk failed to take them; the changes hold until a loss of power
   */
  synced(): Promise<void> {
    if (this.#safe === this.#written) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change: this.#written, resolve, reject });
    });
  }

  /**
   * Writes a fact that cannot be refused.
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
   * Replaces the file by these records, atomically with respect to a crash.
   *
   * @param boot - the record of this kernel's boot, which must be in the file even when it cannot be replaced
   */
  rewrite(records: Iterable<JournalRecord>, boot?: JournalRecord): void {
    let written: { readonly fd: number; readonly sizeBytes: number };
    try {
      written = this.#replaceFile(records);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#trouble = reasonOf(error);
      this.#lost = Math.max(1, this.#lost);
      if (boot !== undefined) this.#owed.push(encode(boot));
      return;
    }
    const { fd, sizeBytes } = written;
    closeSync(this.#fd);
    this.#fd = fd;
    this.#file += 1;
    this.#sizeBytes = sizeBytes;
    this.#snapshotBytes = sizeBytes;
    this.#reservedBytes = 0;
    this.#owed = [];
    this.#lost = 0;
    this.#trouble = undefined;
    this.#isNamed = false;
    this.#reserveEarly();
    this.#synced(this.#written, this.#syncName());
  }

  /** Writes a file and gives it the name of the journal. @returns the file, open */
  #replaceFile(records: Iterable<JournalRecord>): {
    readonly fd: number;
    readonly sizeBytes: number;
  } {
    const next = `${this.#path}.next`;
    let fd: number | undefined;
    try {
      const written = writeNew(next, records);
      fd = written.fd;
      renameSync(next, this.#path);
      return written;
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      removeIfPossible(next);
      throw error;
    }
  }

  /** Makes the name of a new file durable: without it a loss of power brings the former file back. */
  #syncName(): NodeJS.ErrnoException | undefined {
    if (this.#isNamed) return undefined;
    try {
      syncDirectory(dirname(this.#path));
      this.#isNamed = true;
      return undefined;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return error as NodeJS.ErrnoException;
    }
  }

  close(): void {
    // Returns unused reserved room to the disk.
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
    if (record.type !== "value" && record.type !== "value removed") return;
    this.#written += 1;
    this.#sync();
  }

  /** Reserves room on the disk for this many more bytes. */
  #reserve(bytes: number): void {
    const needed = this.#sizeBytes + bytes;
    if (this.#reservedBytes === undefined || needed <= this.#reservedBytes) return;
    // Reserves twice as much, so that not each line needs a system call.
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

  /** Reserves room for the notes of a kernel before the first request of a client. */
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

  /** Truncates a partly written line, which would spoil the next line. */
  #takeBack(): void {
    try {
      ftruncateSync(this.#fd, this.#sizeBytes);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#owed.unshift(Buffer.from("\n"));
    }
    if (this.#reservedBytes !== undefined) this.#reservedBytes = 0;
  }

  /** One sync at a time: changes that come in between share the next one. */
  #sync(): void {
    if (this.#syncing || this.#safe === this.#written) return;
    this.#syncing = true;
    const [file, upTo] = [this.#file, this.#written];
    fdatasync(this.#fd, (error) => {
      this.#syncing = false;
      // A file that was replaced since is on the disk: rewrite() syncs it.
      if (file === this.#file) {
        const problem = error ?? this.#syncName();
        // Lines that were written while the sync ran may be lost with it: after a failed sync Linux takes all pages for
        // clean, and the next sync succeeds without them (fsync(2)). The next rewrite() writes them again.
        this.#synced(problem === undefined ? upTo : this.#written, problem);
      }
      this.#sync();
    });
  }

  #synced(upTo: number, error?: Error): void {
    this.#safe = Math.max(this.#safe, upTo);
    if (error !== undefined) {
      this.#trouble = reasonOf(error);
      this.#lost += 1;
    }
    const over = this.#waiting.filter(({ change }) => change <= upTo);
    this.#waiting = this.#waiting.filter(({ change }) => change > upTo);
    for (const { resolve, reject } of over) {
      if (error === undefined) resolve();
      else reject(notKept(this.#path, error));
    }
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
