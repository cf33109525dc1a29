import type { GapReason, OutputChunk, StreamName } from "../../kernel/process-api.ts";
import type { Source } from "../select.ts";

/** A line of a process's output, or bytes of it that are lost. */
export interface LogLine {
  readonly source: Source;
  readonly stream: StreamName;
  /** When the kernel saw its end. */
  readonly timeMs: number;
  /** Of its first byte in the stream. */
  readonly offset: number;
  /** Without the newline. */
  readonly bytes: Buffer;
  /** How many bytes before `offset` were dropped. */
  readonly gap: number;
  /** Why they were dropped, where the kernel knows it. */
  readonly reason?: GapReason;
  /** The entry reports a gap only: no line follows the gap yet. */
  readonly isGap: boolean;
}

/** A line longer than this is cut, so that output without newlines does not use all memory. */
const LINE_LIMIT_BYTES = 64 * 1_048_576;

const NEWLINE = 0x0a;

/** Cuts the pieces of one stream into lines; a part without a newline waits for the next piece. */
export class LineCutter {
  readonly #source: Source;
  readonly #stream: StreamName;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #offset = 0;
  #gap = 0;
  #reason: GapReason | undefined;
  #timeMs = 0;

  constructor(source: Source, stream: StreamName) {
    this.#source = source;
    this.#stream = stream;
  }

  push(chunk: OutputChunk): LogLine[] {
    const lines = chunk.gap > 0 ? this.flush() : [];
    if (this.#waitingBytes === 0) this.#offset = chunk.offset;
    this.#gap += chunk.gap;
    if (chunk.gap > 0) this.#reason = chunk.reason;
    this.#timeMs = chunk.timeMs;
    let from = 0;
    for (;;) {
      const end = chunk.data.indexOf(NEWLINE, from);
      if (end === -1) break;
      this.#wait(chunk.data.subarray(from, end));
      lines.push(this.#take(1, false));
      from = end + 1;
    }
    this.#wait(chunk.data.subarray(from));
    if (this.#waitingBytes > LINE_LIMIT_BYTES) lines.push(this.#take(0, false));
    return lines;
  }

  /** The last part without a newline, when no more bytes will come. */
  flush(): LogLine[] {
    const isGap = this.#waitingBytes === 0;
    return isGap && this.#gap === 0 ? [] : [this.#take(0, isGap)];
  }

  #wait(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #take(newlineBytes: number, isGap: boolean): LogLine {
    const line = {
      source: this.#source,
      stream: this.#stream,
      timeMs: this.#timeMs,
      offset: this.#offset,
      bytes: Buffer.concat(this.#waiting),
      gap: this.#gap,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      isGap,
    };
    this.#offset += this.#waitingBytes + newlineBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#gap = 0;
    this.#reason = undefined;
    return line;
  }
}
