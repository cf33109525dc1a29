import { hasCode } from "../../base/errors.ts";
import type { OutputChunk, OutputPosition, StreamName } from "../../kernel/process-api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import type { Source } from "../select.ts";
import { LineCutter, type LogLine } from "./line.ts";

/** Begins with this much of the end of each stream when only the last lines are wanted. */
const FIRST_WINDOW_BYTES = 65_536;
const WINDOW_GROWTH = 8;

/**
 * Reads the output of one process as lines, first the kept output, then new output: each byte once,
 * since the second reading begins exactly where the first one ended.
 */
export class ProcessReader {
  readonly source: Source;
  readonly #kernel: KernelClient;
  readonly #streams: readonly StreamName[];
  readonly #keeps: ((line: LogLine) => boolean) | undefined;
  #cutters: Record<StreamName, LineCutter>;
  #position: { out: number; err: number };
  /** Whether a stream was begun in the middle of a line, whose rest is not a line. */
  #skipping: Record<StreamName, boolean> = { out: false, err: false };

  /** @param keeps - chooses lines; the others are left out, but gaps before them are reported */
  constructor(
    source: Source,
    kernel: KernelClient,
    streams: readonly StreamName[],
    keeps?: (line: LogLine) => boolean,
  ) {
    this.#keeps = keeps;
    this.source = source;
    this.#kernel = kernel;
    this.#streams = streams;
    this.#cutters = this.#freshCutters();
    this.#position = { out: 0, err: 0 };
  }

  /** Whether the process has left the list: no output will follow. */
  get isOver(): boolean {
    return this.source.info.archived === true;
  }

  /** Moves the position to the end of the present output. */
  skipKept(): void {
    this.#position = this.#end();
  }

  /** The last `count` lines (1 or more) of the kept output, of any length; the position moves to its end. */
  async last(count: number): Promise<LogLine[]> {
    for (let bytes = FIRST_WINDOW_BYTES; ; bytes *= WINDOW_GROWTH) {
      const whole = this.#begin(bytes);
      let lines: LogLine[] = [];
      for await (const line of this.kept()) {
        lines.push(line);
        if (lines.length > 2 * count + 1_000) lines = lastLines(lines, count);
      }
      const found = lastLines(lines, count);
      if (whole || countLines(found) >= count) return found;
    }
  }

  /** The output that is kept now, from the position on. */
  async *kept(): AsyncGenerator<LogLine, void> {
    const end = this.#end();
    if (this.#isAt(end)) return;
    try {
      for await (const chunk of this.#watch(false)) {
        yield* this.#cut(chunk);
        if (this.#isAt(end)) return;
      }
    } catch (error) {
      // It was removed, or joined with others, while it was read.
      if (!hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
      yield* this.#lose(end);
    }
  }

  /** Reports output that cannot be read any more as a gap. */
  #lose(end: OutputPosition): LogLine[] {
    const lines = this.#streams.flatMap((stream) => {
      const gap = end[stream] - this.#position[stream];
      if (gap <= 0) return [];
      const lost = {
        stream,
        offset: end[stream],
        gap,
        reason: "removed",
        timeMs: Date.now(),
      } as const;
      return this.#cutters[stream].push({ ...lost, data: Buffer.alloc(0) });
    });
    this.#position = { ...end };
    return this.#chosen(lines);
  }

  #chosen(lines: LogLine[]): LogLine[] {
    const keeps = this.#keeps;
    if (keeps === undefined) return lines;
    return lines.flatMap((line) => {
      if (line.isGap || keeps(line)) return [line];
      return line.gap === 0 ? [] : [{ ...line, bytes: Buffer.alloc(0), isGap: true }];
    });
  }

  /** Everything after the position, until the process ended. */
  async *follow(signal: AbortSignal): AsyncGenerator<LogLine, void> {
    for await (const chunk of this.#watch(true, signal)) yield* this.#cut(chunk);
    if (!signal.aborted) yield* this.rest();
  }

  /** Lines that have no newline yet. */
  rest(): LogLine[] {
    return this.#chosen(this.#streams.flatMap((stream) => this.#cutters[stream].flush()));
  }

  async *#watch(follow: boolean, signal?: AbortSignal): AsyncGenerator<OutputChunk, void> {
    const pieces = this.#kernel.processes.watch(this.source.info.name, {
      from: { ...this.#position },
      follow,
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const piece of pieces) {
      if ("ended" in piece) return;
      this.#position[piece.stream] = piece.offset + piece.data.length;
      yield piece;
    }
  }

  #cut(chunk: OutputChunk): LogLine[] {
    return this.#chosen(this.#linesOf(chunk));
  }

  #linesOf(chunk: OutputChunk): LogLine[] {
    const { stream } = chunk;
    if (!this.#streams.includes(stream)) return [];
    if (!this.#skipping[stream]) return this.#cutters[stream].push(chunk);
    const newline = chunk.data.indexOf(0x0a);
    // Behind a gap the beginning of the line is lost in any case.
    if (chunk.gap > 0) {
      this.#skipping[stream] = false;
      return this.#cutters[stream].push(chunk);
    }
    if (newline === -1) return [];
    this.#skipping[stream] = false;
    const offset = chunk.offset + newline + 1;
    return this.#cutters[stream].push({
      ...chunk,
      gap: 0,
      offset,
      data: chunk.data.subarray(newline + 1),
    });
  }

  /** @returns whether all kept output will be read */
  #begin(bytes: number): boolean {
    this.#cutters = this.#freshCutters();
    this.#position = this.#start(bytes);
    const oldest = this.#start(Infinity);
    this.#skipping = {
      out: this.#position.out > oldest.out,
      err: this.#position.err > oldest.err,
    };
    return !this.#skipping.out && !this.#skipping.err;
  }

  #start(bytes: number): { out: number; err: number } {
    const { out = { start: 0, end: 0 }, err = { start: 0, end: 0 } } = this.source.info.output;
    return {
      out: Math.max(out.start, out.end - bytes),
      err: Math.max(err.start, err.end - bytes),
    };
  }

  #end(): { out: number; err: number } {
    return this.#start(0);
  }

  #isAt({ out, err }: OutputPosition): boolean {
    return this.#position.out >= out && this.#position.err >= err;
  }

  #freshCutters(): Record<StreamName, LineCutter> {
    return { out: new LineCutter(this.source, "out"), err: new LineCutter(this.source, "err") };
  }
}

/** The last `count` lines, and the gaps between them and behind them. */
export function lastLines(lines: readonly LogLine[], count: number): LogLine[] {
  let left = count;
  let first = lines.length;
  while (first > 0 && left > 0) {
    first -= 1;
    if (lines[first]?.isGap === false) left -= 1;
  }
  return lines.slice(first);
}

/** How many lines there are, without the gaps. */
export function countLines(lines: readonly LogLine[]): number {
  return lines.filter(({ isGap }) => !isGap).length;
}
