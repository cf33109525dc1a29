import { join } from "node:path";

import type { OutputChunk, OutputPosition, ProcessOutput, StreamName, StreamRange } from "./api.ts";
import { Marks } from "./marks.ts";
import type { PumpTarget } from "./pump.ts";
import { Spool } from "./spool.ts";

const LINE_FEED = 0x0a;

/** The kept output of one process: a spool for each captured stream and the index over both. */
export class KeptOutput implements ProcessOutput {
  readonly #spools = new Map<StreamName, Spool>();
  readonly #marks: Marks;
  readonly #listeners = new Set<() => void>();

  constructor(
    directory: string,
    streams: readonly StreamName[],
    bufsize: number,
    onError: (message: string) => void,
  ) {
    for (const stream of streams) this.#spools.set(stream, new Spool(directory, stream, bufsize));
    this.#marks = new Marks(join(directory, "index"), onError);
  }

  range(stream: StreamName): StreamRange | undefined {
    return this.#spools.get(stream)?.range;
  }

  /** What the pump fills a stream through. */
  pumpTarget(stream: StreamName, ended: () => void): PumpTarget {
    const spool = this.#spools.get(stream);
    if (spool === undefined) throw new Error(`the stream ${stream} is not captured`);
    return {
      target: () => spool.target(),
      grew: (bytes) => {
        this.#marks.saw(stream, spool.range.end, Date.now());
        spool.grew(bytes);
        this.changed();
      },
      skipped: (bytes) => {
        spool.skipped(bytes);
        this.changed();
      },
      ended,
    };
  }

  async next(position: OutputPosition, maxBytes: number): Promise<OutputChunk | undefined> {
    const stream = this.#firstUnread(position);
    const spool = stream === undefined ? undefined : this.#spools.get(stream);
    if (stream === undefined || spool === undefined) return undefined;
    const from = Math.max(position[stream], spool.range.start);
    const timeMs = this.#marks.at(stream, from)?.timeMs ?? Date.now();
    // A chunk has one time, and what the other stream said in between comes in between.
    const markEnd = this.#marks.endOf(stream, from) ?? Infinity;
    const { offset, data } = await spool.read(from, Math.min(maxBytes, markEnd - from));
    if (data.length === 0 && offset === position[stream]) return undefined;
    return { stream, offset, gap: offset - position[stream], timeMs, data };
  }

  async beginsLine(stream: StreamName, offset: number): Promise<boolean> {
    return offset === 0 || (await this.#spools.get(stream)?.byteBefore(offset)) === LINE_FEED;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells every reader that there is something new: bytes, or the end. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async close(): Promise<void> {
    for (const spool of this.#spools.values()) spool.close();
    await this.#marks.close();
  }

  /** Of the streams with unread bytes, the one whose next byte was seen first. */
  #firstUnread(position: OutputPosition): StreamName | undefined {
    let first: { stream: StreamName; seq: number } | undefined;
    for (const [stream, spool] of this.#spools) {
      const { start, end } = spool.range;
      const from = Math.max(position[stream], start);
      if (from >= end && position[stream] >= end) continue;
      const seq = this.#marks.at(stream, from)?.seq ?? 0;
      if (first === undefined || seq < first.seq) first = { stream, seq };
    }
    return first?.stream;
  }
}
