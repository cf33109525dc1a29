import { join } from "node:path";

import type {
  OutputChunk,
  OutputPosition,
  ProcessOutput,
  StreamName,
  StreamRange,
} from "./process-api.ts";
import { Marks } from "./marks.ts";
import { nextPiece } from "./pieces.ts";
import type { PumpTarget } from "./pump.ts";
import { Spool, type SpoolBounds } from "./spool.ts";

const LINE_FEED = 0x0a;

/** The kept output of one process: a spool for each captured stream and the index over both. */
export class KeptOutput implements ProcessOutput {
  /** Called when a piece of a stream is full. */
  pieceFull: (() => void) | undefined;
  /** The place from which slow readers continue after the files were moved; the offsets stay the same. */
  movedTo: ProcessOutput | undefined;
  #isErased = false;
  readonly #spools = new Map<StreamName, Spool>();
  readonly #marks: Marks;
  readonly #listeners = new Set<() => void>();

  constructor(
    directory: string,
    streams: readonly StreamName[],
    bounds: Omit<SpoolBounds, "pieceFull">,
    onError: (message: string) => void,
  ) {
    const pieceFull = (): void => this.pieceFull?.();
    for (const stream of streams)
      this.#spools.set(stream, new Spool(directory, stream, { ...bounds, pieceFull }));
    this.#marks = new Marks(join(directory, "index"), onError);
  }

  range(stream: StreamName): StreamRange | undefined {
    if (this.movedTo !== undefined) return this.movedTo.range(stream);
    return this.#spools.get(stream)?.range;
  }

  /** The target into which the pump moves a stream. */
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
    if (this.movedTo !== undefined) return this.movedTo.next(position, maxBytes);
    if (this.#isErased) return undefined;
    return nextPiece(this.#spools, this.#marks, position, maxBytes, () => Date.now());
  }

  /** The spool of a stream, for the code that enforces its bound. */
  spool(stream: StreamName): Spool | undefined {
    return this.#spools.get(stream);
  }

  async beginsLine(stream: StreamName, offset: number): Promise<boolean> {
    if (this.movedTo !== undefined) return this.movedTo.beginsLine(stream, offset);
    return offset === 0 || (await this.#spools.get(stream)?.byteBefore(offset)) === LINE_FEED;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Notifies every reader of new output or of the end. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async close(): Promise<void> {
    for (const spool of this.#spools.values()) spool.close();
    await this.#marks.close();
  }

  /** Drops the present output of every stream; returns the number of bytes. */
  prune(): number {
    const bytes = [...this.#spools.values()].reduce((sum, spool) => sum + spool.prune(), 0);
    this.changed();
    return bytes;
  }

  dropOlder(cutoffMs: number): void {
    for (const spool of this.#spools.values()) spool.dropOlder(cutoffMs);
  }

  /** Ends every reader, because the files are being removed. */
  erase(): void {
    this.#isErased = true;
  }

  /**
   * Writes its index at once, so that the files can be moved.
   *
   * @param quiet - resolves when nothing is written any more; until then the descriptors stay open
   */
  closeAfter(quiet: Promise<void>): void {
    this.#marks.closeNow();
    void quiet.then(() => {
      for (const spool of this.#spools.values()) spool.close();
    });
  }
}
