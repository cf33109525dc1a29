import { closeSync, openSync, read, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { systemCode } from "../base/errors.ts";
import type { StreamName } from "./process-api.ts";

const readAsync = promisify(read);

/** One file of a stream: the offset of its first byte, which is its name, and its size. */
export interface Segment {
  readonly base: number;
  sizeBytes: number;
}

/** The bytes read, or the number of missing bytes. */
export interface SegmentRead {
  /** The offset of the first byte of `data`; without data, one past the missing bytes. */
  readonly offset: number;
  readonly data: Buffer;
  /** Another program removed or cut the file that had the bytes up to `offset`. */
  readonly isRemoved: boolean;
}

const NOTHING = Buffer.alloc(0);

/** The files of one stream of output, oldest first. Their names and sizes are the whole state. */
export class Segments {
  readonly #directory: string;
  readonly #stream: StreamName;
  readonly #list: Segment[];

  /** @param directory - may be missing; then there are no files */
  constructor(directory: string, stream: StreamName) {
    this.#directory = directory;
    this.#stream = stream;
    this.#list = findSegments(directory, stream);
  }

  get list(): readonly Segment[] {
    return this.#list;
  }

  get oldest(): Segment | undefined {
    return this.#list[0];
  }

  get newest(): Segment | undefined {
    return this.#list.at(-1);
  }

  get sizeBytes(): number {
    return this.#list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  path(base: number): string {
    return join(this.#directory, `${this.#stream}.${String(base).padStart(16, "0")}`);
  }

  /** Records that a file with that name was made. */
  add(base: number, sizeBytes: number): Segment {
    const segment = { base, sizeBytes };
    this.#list.push(segment);
    return segment;
  }

  /** Removes a file; a file that is already gone is no error. */
  remove(segment: Segment): void {
    const index = this.#list.indexOf(segment);
    if (index >= 0) this.#list.splice(index, 1);
    rmSync(this.path(segment.base), { force: true });
  }

  /** The time at which the newest byte was written, by the wall clock; `undefined` when the file is gone. */
  writtenMs(segment: Segment): number | undefined {
    try {
      return statSync(this.path(segment.base)).mtimeMs;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Reads from an offset, or from the next byte that is kept.
   *
   * @param ownFd - a descriptor of the newest file, which may have lost its name
   * @returns `undefined` at the end
   */
  async read(from: number, maxBytes: number, ownFd?: number): Promise<SegmentRead | undefined> {
    // The newest file that has the byte: a file that was moved here may have more bytes than were counted.
    const segment =
      this.#list.findLast(({ base, sizeBytes }) => base <= from && base + sizeBytes > from) ??
      this.#list.find(({ base }) => base > from);
    if (segment === undefined) return undefined;
    if (segment.sizeBytes === 0) return { offset: segment.base, data: NOTHING, isRemoved: false };
    const end = segment.base + segment.sizeBytes;
    const at = Math.max(from, segment.base);
    const missing = { offset: end, data: NOTHING, isRemoved: true };
    const fd = this.#open(segment, segment === this.newest ? ownFd : undefined);
    // The file may be removed between the search and the open; then the next one is read.
    if (fd === undefined)
      return this.#list.includes(segment) ? missing : this.read(from, maxBytes, ownFd);
    try {
      const data = Buffer.allocUnsafe(Math.min(maxBytes, end - at));
      const { bytesRead } = await readAsync(fd, data, 0, data.length, at - segment.base);
      if (bytesRead === 0) return missing;
      return { offset: at, data: data.subarray(0, bytesRead), isRemoved: false };
    } finally {
      closeSync(fd);
    }
  }

  #open(segment: Segment, ownFd: number | undefined): number | undefined {
    for (const path of [
      this.path(segment.base),
      ...(ownFd === undefined ? [] : [`/proc/self/fd/${ownFd}`]),
    ]) {
      try {
        return openSync(path, "r");
      } catch (error) {
        if (systemCode(error) !== "ENOENT") throw error;
      }
    }
    return undefined;
  }
}

function findSegments(directory: string, stream: StreamName): Segment[] {
  return namesIn(directory)
    .filter((name) => name.startsWith(`${stream}.`))
    .sort()
    .map((name) => ({
      base: Number(name.slice(stream.length + 1)),
      sizeBytes: statSync(join(directory, name)).size,
    }));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
