import { appendFile, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";

import { messageOf, systemCode } from "../base/errors.ts";
import type { StreamName } from "./process-api.ts";

const appendAsync = promisify(appendFile);

/** A mark records the time and the common order of the bytes from an offset of a stream on. */
export interface Mark {
  readonly seq: number;
  readonly timeMs: number;
  readonly stream: StreamName;
  readonly offset: number;
}

/** Marks of one process in memory: about 100 bytes each. */
const MARKS = 2_048;
/** Output of one stream within this time shares a mark. */
const MERGE_MS = 10;
const RECORD_BYTES = 32;
const FLUSH_MS = 250;
const STREAMS: readonly StreamName[] = ["out", "err"];

/**
 * The time index of a process's output: the arrival time of the bytes, and the order of stdout and stderr as
 * the pump saw them. It is coarse when there is much output. If the index is lost, all bytes remain readable,
 * each stream in its order.
 */
export class Marks {
  readonly #path: string;
  readonly #onError: (message: string) => void;
  #marks: Mark[];
  #unwritten: Mark[] = [];
  #written = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param path - the index file; read back when it exists */
  constructor(path: string, onError: (message: string) => void) {
    this.#path = path;
    this.#onError = onError;
    this.#marks = readMarks(path);
    this.#written = this.#marks.length;
  }

  /** Records that bytes arrived in a stream at this offset. */
  saw(stream: StreamName, offset: number, timeMs: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && last.stream === stream && timeMs - last.timeMs < MERGE_MS) return;
    const mark: Mark = { seq: (last?.seq ?? 0) + 1, timeMs, stream, offset };
    this.#marks.push(mark);
    this.#unwritten.push(mark);
    if (this.#marks.length > MARKS) this.#thin();
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  /** Takes over marks of another index, in their order. */
  take(marks: Iterable<Omit<Mark, "seq">>): void {
    for (const { timeMs, stream, offset } of marks) {
      const mark: Mark = { seq: (this.#marks.at(-1)?.seq ?? 0) + 1, timeMs, stream, offset };
      this.#marks.push(mark);
      this.#unwritten.push(mark);
      if (this.#marks.length > MARKS) this.#thin();
    }
  }

  /** The mark that covers an offset of a stream. */
  at(stream: StreamName, offset: number): Mark | undefined {
    return this.#marks.findLast((mark) => mark.stream === stream && mark.offset <= offset);
  }

  /** The offset at which the bytes of the mark that covers an offset end: the stream's next mark. */
  endOf(stream: StreamName, offset: number): number | undefined {
    return this.#marks.find((mark) => mark.stream === stream && mark.offset > offset)?.offset;
  }

  /** Writes the remaining marks at once, because the index is about to be read by its path. */
  closeNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.length > 0) this.#rewrite();
    this.#unwritten = [];
  }

  /** Writes the remaining marks; resolves when the file is no longer touched. */
  async close(): Promise<void> {
    this.flush();
    await this.#writing;
  }

  /** Writes the marks that the file does not have yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.length === 0) return;
    const batch = encode(this.#unwritten);
    this.#written += this.#unwritten.length;
    this.#unwritten = [];
    if (this.#written > 2 * MARKS) {
      this.#rewrite();
      return;
    }
    this.#writing = appendAsync(this.#path, batch, { mode: 0o600 }).catch((error: unknown) =>
      this.#onError(messageOf(error)),
    );
  }

  #rewrite(): void {
    try {
      writeFileSync(this.#path, encode(this.#marks), { mode: 0o600 });
      this.#written = this.#marks.length;
    } catch (error) {
      this.#onError(messageOf(error));
    }
  }

  /** Drops the oldest quarter: their bytes can still be read, but without their exact time. */
  #thin(): void {
    this.#marks = this.#marks.slice(MARKS / 4);
  }
}

function encode(marks: readonly Mark[]): Buffer {
  const bytes = Buffer.alloc(marks.length * RECORD_BYTES);
  for (const [index, mark] of marks.entries()) {
    const at = index * RECORD_BYTES;
    bytes.writeDoubleLE(mark.seq, at);
    bytes.writeDoubleLE(mark.timeMs, at + 8);
    bytes.writeDoubleLE(STREAMS.indexOf(mark.stream), at + 16);
    bytes.writeDoubleLE(mark.offset, at + 24);
  }
  return bytes;
}

/** The marks of an index file, oldest first; none where there is no file. */
export function readMarks(path: string): Mark[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
  const marks: Mark[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const stream = STREAMS[bytes.readDoubleLE(at + 16)];
    const mark = {
      seq: bytes.readDoubleLE(at),
      timeMs: bytes.readDoubleLE(at + 8),
      offset: bytes.readDoubleLE(at + 24),
    };
    const last = marks.at(-1);
    if (stream !== undefined && mark.seq > (last?.seq ?? 0)) marks.push({ ...mark, stream });
  }
  return marks.slice(-MARKS);
}
