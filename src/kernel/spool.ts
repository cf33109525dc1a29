import { closeSync, fstatSync, openSync, read, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { systemCode } from "../base/errors.ts";
import type { StreamName, StreamRange } from "./api.ts";

const readAsync = promisify(read);

/** A stream is kept in pieces of this share of its bound, so that the oldest can go piece by piece. */
const SEGMENTS = 4;
const SEGMENT_BYTES_MIN = 16 << 10;

interface Segment {
  /** The stream offset of its first byte; its file name says so too. */
  readonly base: number;
  sizeBytes: number;
}

/**
 * The kept output of one stream, as files whose names are the offset of their first byte. What can
 * be read is always the last `bufsize` bytes; files wholly older than that are removed. Names and
 * sizes alone tell the whole state, so a crash needs no repair.
 */
export class Spool {
  readonly #directory: string;
  readonly #stream: StreamName;
  readonly #bufsize: number;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  #fd: number;
  /** Bytes lost after the newest segment, whose successor could not be made yet. */
  #gapBytes = 0;

  /**
   * @param directory - exists; may hold segments of an earlier kernel
   * @param bufsize - bytes kept
   */
  constructor(directory: string, stream: StreamName, bufsize: number) {
    this.#directory = directory;
    this.#stream = stream;
    this.#bufsize = bufsize;
    this.#segmentBytes = Math.max(SEGMENT_BYTES_MIN, Math.ceil(bufsize / SEGMENTS));
    this.#segments = findSegments(directory, stream);
    if (this.#segments.length === 0) this.#segments.push({ base: 0, sizeBytes: 0 });
    this.#fd = openSync(this.#path(this.#newest.base), "a+", 0o600);
    closeSync(this.#fd);
    // Opened without O_APPEND: splice(2) writes at an explicit offset.
    this.#fd = openSync(this.#path(this.#newest.base), "r+");
    this.#newest.sizeBytes = fstatSync(this.#fd).size;
  }

  get range(): StreamRange {
    const end = this.#newest.base + this.#newest.sizeBytes + this.#gapBytes;
    return { start: Math.max(this.#segments[0]?.base ?? end, end - this.#bufsize), end };
  }

  /** Where the next bytes go: a descriptor, the place in it, and how many fit there. */
  target(): { readonly fd: number; readonly offset: number; readonly roomBytes: number } {
    if (this.#gapBytes > 0 || this.#newest.sizeBytes >= this.#segmentBytes)
      this.#begin(this.range.end);
    const { sizeBytes } = this.#newest;
    return { fd: this.#fd, offset: sizeBytes, roomBytes: this.#segmentBytes - sizeBytes };
  }

  /** That many bytes now stand at the target. */
  grew(bytes: number): void {
    this.#newest.sizeBytes += bytes;
    const oldestKept = this.range.end - this.#bufsize;
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined || second.base > oldestKept) return;
      this.#segments.shift();
      unlinkSync(this.#path(first.base));
    }
  }

  /**
   * That many bytes of the stream could not be stored: readers will see a gap. The next segment's name
   * tells it to a next kernel; where not even that can be made, it is made with the next bytes.
   */
  skipped(bytes: number): void {
    this.#gapBytes += bytes;
    try {
      this.#begin(this.range.end);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  /**
   * Reads from an offset, or from the oldest byte kept after it.
   *
   * @returns fewer bytes than asked at the end of a piece, none at the end of the stream
   */
  async read(
    from: number,
    maxBytes: number,
  ): Promise<{ readonly offset: number; readonly data: Buffer }> {
    const offset = Math.max(from, this.range.start);
    const segment = this.#segments.find(({ base, sizeBytes }) => base + sizeBytes > offset);
    if (segment === undefined) return { offset: this.range.end, data: Buffer.alloc(0) };
    const at = Math.max(offset, segment.base);
    const length = Math.min(maxBytes, segment.base + segment.sizeBytes - at);
    const data = Buffer.allocUnsafe(length);
    const fd = this.#openForReading(segment);
    if (fd === undefined) return this.read(offset, maxBytes);
    try {
      const { bytesRead } = await readAsync(fd, data, 0, length, at - segment.base);
      return { offset: at, data: data.subarray(0, bytesRead) };
    } finally {
      closeSync(fd);
    }
  }

  /** The byte before an offset, which may be one that no reader gets any more; `undefined` when it is gone. */
  async byteBefore(offset: number): Promise<number | undefined> {
    const at = offset - 1;
    const segment = this.#segments.find(
      ({ base, sizeBytes }) => base <= at && base + sizeBytes > at,
    );
    const fd = segment === undefined ? undefined : this.#openForReading(segment);
    if (segment === undefined || fd === undefined) return undefined;
    try {
      const { bytesRead, buffer } = await readAsync(fd, Buffer.alloc(1), 0, 1, at - segment.base);
      return bytesRead === 1 ? buffer[0] : undefined;
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  get #newest(): Segment {
    const newest = this.#segments.at(-1);
    if (newest === undefined) throw new Error("a spool has at least one segment");
    return newest;
  }

  #begin(base: number): void {
    const fd = openSync(this.#path(base), "wx+", 0o600);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#gapBytes = 0;
    if (this.#newest.sizeBytes === 0 && this.#segments.length > 1) {
      const empty = this.#segments.pop();
      if (empty !== undefined) unlinkSync(this.#path(empty.base));
    }
    this.#segments.push({ base, sizeBytes: 0 });
  }

  /** A segment may leave between being found and being opened; then the next one is read. */
  #openForReading(segment: Segment): number | undefined {
    try {
      return openSync(this.#path(segment.base), "r");
    } catch (error) {
      if (systemCode(error) === "ENOENT" && !this.#segments.includes(segment)) return undefined;
      throw error;
    }
  }

  #path(base: number): string {
    return join(this.#directory, `${this.#stream}.${String(base).padStart(16, "0")}`);
  }
}

function findSegments(directory: string, stream: StreamName): Segment[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith(`${stream}.`))
    .sort()
    .map((name) => {
      const fd = openSync(join(directory, name), "r");
      const sizeBytes = fstatSync(fd).size;
      closeSync(fd);
      return { base: Number(name.slice(stream.length + 1)), sizeBytes };
    });
}
