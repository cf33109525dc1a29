import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { systemCode } from "../base/errors.ts";
import { makeDirectory } from "../base/make-directory.ts";
import type { GapReason, StreamName, StreamRange } from "./process-api.ts";
import type { ReadableStream } from "./pieces.ts";
import { type Segment, type SegmentRead, Segments } from "./segments.ts";

/**
 * A stream is kept in pieces of this share of its bound, so that the oldest output can be dropped by piece.
 */
const SEGMENTS = 4;
/**
 * The number of pieces where all processes of a group share the bound; whole pieces of any of them are
 * dropped.
 */
const GROUP_SEGMENTS = 16;
const SEGMENT_BYTES_MIN = 16 << 10;
const GROUP_SEGMENT_BYTES_MIN = 4 << 10;

/** The bounds of a spool. */
export interface SpoolBounds {
  /** The number of bytes kept. */
  readonly bufsize: number;
  /** Whether other processes share the bound. Default false. */
  readonly isShared?: boolean;
  /** Called when a piece is full, so that a shared bound can be checked. */
  readonly pieceFull?: () => void;
}

/**
 * The kept output of one stream, as files whose names are the offset of their first byte. The last `bufsize`
 * bytes can be read; files that are wholly older are removed. The names and sizes of the files are the whole
 * state, so a crash needs no repair.
 */
export class Spool implements ReadableStream {
  readonly #directory: string;
  readonly #stream: StreamName;
  readonly #bounds: SpoolBounds;
  readonly #segmentBytes: number;
  readonly #segments: Segments;
  #fd: number;
  #isOpen = true;
  /** Bytes lost after the newest segment while the next segment could not be made. */
  #gapBytes = 0;
  /** Why the bytes before the oldest kept one were dropped. */
  #reason: GapReason;

  /** @param directory - must exist; may hold segments of an earlier kernel */
  constructor(directory: string, stream: StreamName, bounds: SpoolBounds) {
    this.#directory = directory;
    this.#stream = stream;
    this.#bounds = bounds;
    const isShared = bounds.isShared === true;
    this.#segmentBytes = Math.max(
      isShared ? GROUP_SEGMENT_BYTES_MIN : SEGMENT_BYTES_MIN,
      Math.ceil(bounds.bufsize / (isShared ? GROUP_SEGMENTS : SEGMENTS)),
    );
    this.#segments = new Segments(directory, stream);
    this.#reason = readReason(directory, stream);
    const newest = this.#segments.newest ?? this.#segments.add(0, 0);
    closeSync(openSync(this.#segments.path(newest.base), "a+", 0o600));
    // Opened without O_APPEND: splice(2) writes at an explicit offset.
    this.#fd = openSync(this.#segments.path(newest.base), "r+");
    newest.sizeBytes = fstatSync(this.#fd).size;
  }

  get range(): StreamRange {
    const end = this.#newest.base + this.#newest.sizeBytes + this.#gapBytes;
    const oldest = this.#segments.oldest?.base ?? end;
    return { start: Math.max(oldest, end - this.#bounds.bufsize), end };
  }

  /** The largest size of the next piece in bytes; small where the bound is small. */
  get pieceBytes(): number {
    return Math.min(this.#segmentBytes, this.#bounds.bufsize / 4);
  }

  /** The number of bytes that count for a shared bound. */
  get keptBytes(): number {
    return Math.min(this.#segments.sizeBytes, this.#bounds.bufsize);
  }

  #dropOld(): void {
    const oldestKept = this.range.end - this.#bounds.bufsize;
    this.#dropWhile((_, next) => next.base <= oldestKept, "bufsize");
  }

  /** The place for the next bytes: a descriptor, the offset in it, and how many bytes fit there. */
  target(): { readonly fd: number; readonly offset: number; readonly roomBytes: number } {
    if (this.#gapBytes > 0 || this.#newest.sizeBytes >= this.#segmentBytes)
      this.#begin(this.range.end);
    const { sizeBytes } = this.#newest;
    return { fd: this.#fd, offset: sizeBytes, roomBytes: this.#segmentBytes - sizeBytes };
  }

  /** Records that this many bytes were written at the target. */
  grew(bytes: number): void {
    const newest = this.#newest;
    newest.sizeBytes += bytes;
    const second = this.#segments.list[1];
    if (second !== undefined && second.base <= this.range.end - this.#bounds.bufsize)
      this.#dropOld();
    if (newest.sizeBytes < this.#segmentBytes) return;
    this.#bounds.pieceFull?.();
  }

  /**
   * Records that this many bytes of the stream could not be stored: readers will see a gap. The name of the
   * next segment shows the gap to a next kernel; if that segment cannot be made now, it is made with the next
   * bytes.
   */
  skipped(bytes: number): void {
    this.#gapBytes += bytes;
    try {
      this.#begin(this.range.end);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  read(from: number, maxBytes: number): Promise<SegmentRead | undefined> {
    return this.#segments.read(from, maxBytes, this.#isOpen ? this.#fd : undefined);
  }

  lossAt(offset: number): { readonly reason: GapReason; readonly to: number } {
    const { start } = this.range;
    return offset < start ? { reason: this.#reason, to: start } : { reason: "disk", to: Infinity };
  }

  /**
   * Drops whole pieces, oldest first, but never the newest one.
   *
   * @returns how many bytes were dropped
   */
  dropBytes(bytes: number): number {
    let dropped = 0;
    this.#dropWhile((segment) => {
      if (dropped >= bytes) return false;
      dropped += segment.sizeBytes;
      return true;
    }, "bufsize");
    return dropped;
  }

  /** Drops whole pieces whose newest byte is older than this time, but never the newest piece. */
  dropOlder(cutoffMs: number): void {
    this.#dropWhile((segment) => (this.#segments.writtenMs(segment) ?? 0) < cutoffMs, "age");
  }

  /** Drops all present bytes; later bytes are kept. */
  prune(): number {
    const bytes = this.#segments.sizeBytes;
    if (this.#newest.sizeBytes > 0) this.#begin(this.range.end);
    this.#dropWhile(() => true, "pruned");
    return bytes;
  }

  /** The byte before an offset, even one that readers cannot get any more; `undefined` when it is gone. */
  async byteBefore(offset: number): Promise<number | undefined> {
    const read = await this.read(offset - 1, 1);
    return read?.offset === offset - 1 ? read.data[0] : undefined;
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  get #newest(): Segment {
    const { newest } = this.#segments;
    if (newest === undefined) throw new Error("a spool has at least one segment");
    return newest;
  }

  #dropWhile(test: (segment: Segment, next: Segment) => boolean, reason: GapReason): void {
    for (;;) {
      const [first, second] = this.#segments.list;
      if (first === undefined || second === undefined || !test(first, second)) return;
      this.#remember(reason);
      this.#segments.remove(first);
    }
  }

  #remember(reason: GapReason): void {
    if (reason === this.#reason) return;
    this.#reason = reason;
    writeFileSync(reasonPath(this.#directory, this.#stream), reason, { mode: 0o600 });
  }

  #begin(base: number): void {
    // Another program may have removed the directory.
    makeDirectory(this.#directory, 0o700);
    const fd = openSync(this.#segments.path(base), "wx+", 0o600);
    this.close();
    this.#fd = fd;
    this.#isOpen = true;
    this.#gapBytes = 0;
    const before = this.#newest;
    this.#segments.add(base, 0);
    if (before.sizeBytes === 0 && this.#segments.list.length > 2) this.#segments.remove(before);
  }
}

function reasonPath(directory: string, stream: StreamName): string {
  return join(directory, `lost-${stream}`);
}

/** Why the oldest bytes of a spool were dropped: the bound, unless the directory records another reason. */
export function readReason(directory: string, stream: StreamName): GapReason {
  try {
    const text = readFileSync(reasonPath(directory, stream), "utf8");
    return text === "age" || text === "pruned" ? text : "bufsize";
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "bufsize";
    throw error;
  }
}
