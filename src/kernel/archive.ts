import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { makeDirectory } from "../base/make-directory.ts";
import type {
  GapReason,
  OutputChunk,
  OutputPosition,
  ProcessInfo,
  ProcessOutput,
  StreamName,
  StreamRange,
} from "./process-api.ts";
import {
  ArchiveLog,
  type ArchiveState,
  type Chapter,
  type ChapterStream,
  type GroupBounds,
} from "./archive-log.ts";
import { Marks, readMarks } from "./marks.ts";
import { nextPiece, type ReadableStream } from "./pieces.ts";
import { Segments } from "./segments.ts";
import { readReason } from "./spool.ts";

/** Processes older than these are joined, so that a crash loop cannot grow the list without limit. */
const CHAPTERS = 200;
/** Smaller files of a process are appended to the newest file of the archive instead of moved. */
const MOVED_BYTES_MIN = 64 << 10;
/** A file that small files were appended to is not made longer than this. */
const APPENDED_BYTES_MAX = 1 << 20;
const LOSSES = 100;
/** The time index is released after this time without use, in milliseconds. */
const INDEX_IDLE_MS = 5_000;
const LINE_FEED = 0x0a;
const STREAMS: readonly StreamName[] = ["out", "err"];

/** A process that has ended, and the location of its output. */
export type Ended = Omit<Chapter, "streams"> & {
  /** The spool of the process. The output files are moved from this directory. */
  readonly directory: string;
  readonly streams: readonly StreamName[];
};

/**
 * The output of the ended processes of one group, one after the other, in the files of one directory.
 * Offsets count from the first byte that a process of the group wrote, and are never used again.
 *
 * Adding a process again is safe: a kernel that dies during the add leaves the process in its journal, and
 * the next kernel does the same moves again, to the same offsets.
 */
export class Archive {
  readonly group: string;
  readonly #directory: string;
  readonly #log: ArchiveLog;
  readonly #state: ArchiveState;
  readonly #segments: Record<StreamName, Segments>;
  readonly #notice: (text: string) => void;
  #marks: Marks | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    directory: string,
    group: string,
    bounds: GroupBounds,
    notice: (text: string) => void,
  ) {
    this.group = group;
    this.#directory = directory;
    this.#notice = notice;
    this.#log = new ArchiveLog(directory);
    this.#state = this.#log.read(bounds);
    this.#segments = { out: new Segments(directory, "out"), err: new Segments(directory, "err") };
  }

  get bounds(): GroupBounds {
    return this.#state.bounds;
  }

  /** The bounds that a newer process of the group asked for. */
  set bounds(bounds: GroupBounds) {
    const { bufsize, maxAgeMs } = this.#state.bounds;
    if (bounds.bufsize === bufsize && bounds.maxAgeMs === maxAgeMs) return;
    this.#state.bounds = bounds;
    if (this.#state.chapters.length > 0) this.#log.write(this.#state);
  }

  /** The processes in the archive, oldest first. */
  list(): ProcessInfo[] {
    return this.#state.chapters.map((chapter) => this.#info(chapter));
  }

  /** The newest process of this name, and its output. */
  find(name: string): { readonly info: ProcessInfo; readonly output: ProcessOutput } | undefined {
    const chapter = this.#state.chapters.findLast((one) => one.name === name);
    if (chapter === undefined) return undefined;
    return { info: this.#info(chapter), output: this.#outputOf(chapter) };
  }

  keptBytes(stream: StreamName): number {
    return this.#segments[stream].sizeBytes;
  }

  /** Takes over the output of a process. The caller removes its directory. */
  add({ directory, streams, ...process }: Ended): void {
    const found = streams.map((stream) => [stream, new Segments(directory, stream)] as const);
    const known = this.#state.chapters.find(({ id }) => id === process.id);
    const chapter = known ?? { ...process, streams: this.#placesOf(found) };
    if (STREAMS.every((stream) => (chapter.streams[stream]?.end ?? 0) === 0)) return;
    makeDirectory(this.#directory, 0o700);
    if (known === undefined) {
      if (this.#state.chapters.length === 0) this.#log.write(this.#state);
      const isLong = this.#log.append(chapter);
      this.#state.chapters.push(chapter);
      if (isLong) this.#log.write(this.#state);
    }
    for (const [stream, segments] of found) {
      const place = chapter.streams[stream];
      if (place === undefined) continue;
      const lost = segments.oldest?.base ?? 0;
      if (known === undefined)
        this.#lose(stream, place.at, place.at + lost, readReason(directory, stream));
      for (const { base } of segments.list)
        this.#move(stream, place.at + base, segments.path(base));
    }
    this.#takeMarks(chapter, directory);
    this.#join();
  }

  /** @returns how many bytes were dropped: whole files, oldest first */
  dropBytes(stream: StreamName, bytes: number): number {
    let dropped = 0;
    this.#dropWhile(stream, "bufsize", (sizeBytes) => {
      if (dropped >= bytes) return false;
      dropped += sizeBytes;
      return true;
    });
    return dropped;
  }

  /** Drops whole files whose newest byte is older than this time. */
  dropOlder(cutoffMs: number): void {
    for (const stream of STREAMS)
      this.#dropWhile(stream, "age", (_, writtenMs) => writtenMs < cutoffMs);
  }

  /** @returns how many bytes were dropped */
  prune(): number {
    const bytes = this.keptBytes("out") + this.keptBytes("err");
    for (const stream of STREAMS) this.#dropWhile(stream, "pruned", () => true);
    return bytes;
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#marks?.closeNow();
    this.#marks = undefined;
  }

  #placesOf(found: readonly (readonly [StreamName, Segments])[]): Chapter["streams"] {
    return Object.fromEntries(
      found.map(([stream, segments]): [StreamName, ChapterStream] => {
        const { newest } = segments;
        const end = newest === undefined ? 0 : newest.base + newest.sizeBytes;
        return [stream, { at: this.#endOf(stream), end }];
      }),
    );
  }

  #endOf(stream: StreamName): number {
    const last = this.#state.chapters.findLast(({ streams }) => streams[stream] !== undefined);
    const place = last?.streams[stream];
    return place === undefined ? 0 : place.at + place.end;
  }

  /** Moves a file to an offset of the archive; one that was moved before stays where it is. */
  #move(stream: StreamName, to: number, path: string): void {
    if (!existsSync(path)) return;
    const { size, mtime } = statSync(path);
    if (size === 0) return;
    const segments = this.#segments[stream];
    const target = segments.list.findLast(
      ({ base, sizeBytes }) =>
        base <= to && to <= base + sizeBytes && to - base < APPENDED_BYTES_MAX,
    );
    if (size >= MOVED_BYTES_MIN || target === undefined) {
      renameSync(path, segments.path(to));
      if (!segments.list.some(({ base }) => base === to)) segments.add(to, size);
      return;
    }
    const end = segments.path(target.base);
    const fd = openSync(end, "r+");
    try {
      writeWhole(fd, readFileSync(path), to - target.base);
    } finally {
      closeSync(fd);
    }
    target.sizeBytes = Math.max(target.sizeBytes, to - target.base + size);
    // The age of a file is that of its newest byte.
    utimesSync(end, mtime, mtime);
  }

  #takeMarks({ streams }: Chapter, directory: string): void {
    const marks = this.#openMarks();
    marks.take(
      readMarks(join(directory, "index")).flatMap(({ stream, offset, timeMs }) => {
        const place = streams[stream];
        return place === undefined ? [] : [{ stream, timeMs, offset: place.at + offset }];
      }),
    );
    marks.flush();
  }

  #openMarks(): Marks {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), INDEX_IDLE_MS).unref();
    this.#marks ??= new Marks(join(this.#directory, "index"), this.#notice);
    return this.#marks;
  }

  #lose(stream: StreamName, from: number, to: number, reason: GapReason): void {
    const { losses } = this.#state;
    if (to <= from) return;
    const last = losses.findLast((loss) => loss.stream === stream);
    if (last !== undefined && last.to === from && last.reason === reason)
      losses.splice(losses.indexOf(last), 1, { ...last, to });
    else losses.push({ stream, from, to, reason });
    losses.splice(0, losses.length - LOSSES);
    this.#log.write(this.#state);
  }

  #dropWhile(
    stream: StreamName,
    reason: GapReason,
    test: (sizeBytes: number, writtenMs: number) => boolean,
  ): void {
    const segments = this.#segments[stream];
    const from = segments.oldest?.base;
    let to = from ?? 0;
    for (let next = segments.oldest; next !== undefined; next = segments.oldest) {
      if (!test(next.sizeBytes, segments.writtenMs(next) ?? 0)) break;
      to = next.base + next.sizeBytes;
      segments.remove(next);
    }
    if (from === undefined || to === from) return;
    this.#lose(stream, from, to, reason);
    this.#join();
  }

  /** Joins chapters without any bytes left, and the oldest chapters where there are too many. */
  #join(): void {
    const { chapters } = this.#state;
    let joined = false;
    for (;;) {
      const [first, second] = chapters;
      if (first === undefined || second === undefined) break;
      if (chapters.length <= CHAPTERS && !(this.#isGone(first) && this.#isGone(second))) break;
      chapters.splice(0, 2, joinChapters(first, second, this.group));
      joined = true;
    }
    if (joined) this.#log.write(this.#state);
  }

  #isGone({ streams }: Chapter): boolean {
    return STREAMS.every((stream) => {
      const place = streams[stream];
      const oldest = this.#segments[stream].oldest?.base ?? Infinity;
      return place === undefined || place.at + place.end <= oldest;
    });
  }

  #info(chapter: Chapter): ProcessInfo {
    const { name, pid, startedMs, endedMs, exitCode, streams } = chapter;
    const places = Object.entries(streams) as [StreamName, ChapterStream][];
    return {
      name,
      pid,
      running: false,
      startedMs,
      endedMs,
      exitCode,
      closed: true,
      args: [],
      workingDir: "/",
      ready: false,
      output: Object.fromEntries(
        places.map(([stream, place]) => [stream, this.#readable(stream, place).range]),
      ),
      fifos: [],
      group: this.group,
      archived: true,
    };
  }

  #outputOf({ streams, startedMs }: Chapter): ProcessOutput {
    const places = Object.entries(streams) as [StreamName, ChapterStream][];
    const readable = new Map(
      places.map(([stream, place]) => [stream, this.#readable(stream, place)]),
    );
    const atOf = (stream: StreamName): number => streams[stream]?.at ?? 0;
    return {
      range: (stream) => readable.get(stream)?.range,
      next: (position: OutputPosition, maxBytes: number): Promise<OutputChunk | undefined> => {
        const marks = this.#openMarks();
        const index = {
          at: (stream: StreamName, offset: number) => {
            const mark = marks.at(stream, atOf(stream) + offset);
            return mark === undefined || mark.offset < atOf(stream) ? undefined : mark;
          },
          endOf: (stream: StreamName, offset: number) => {
            const end = marks.endOf(stream, atOf(stream) + offset);
            return end === undefined ? undefined : end - atOf(stream);
          },
        };
        return nextPiece(readable, index, position, maxBytes, () => startedMs);
      },
      beginsLine: async (stream, offset) => {
        if (offset === 0) return true;
        const read = await readable.get(stream)?.read(offset - 1, 1);
        return read?.offset === offset - 1 && read.data[0] === LINE_FEED;
      },
      // The process has ended: its output cannot change any more.
      onChange: () => () => undefined,
    };
  }

  /** A part of a stream, with the offsets that its process counted. */
  #readable(stream: StreamName, { at, end }: ChapterStream): ReadableStream {
    const segments = this.#segments[stream];
    const within = (offset: number): number => Math.min(end, Math.max(0, offset - at));
    const rangeOf = (): StreamRange => {
      const first = segments.list.find(({ base, sizeBytes }) => base + sizeBytes > at);
      return { start: first === undefined ? end : within(first.base), end };
    };
    return {
      get range() {
        return rangeOf();
      },
      read: async (from, maxBytes) => {
        if (from >= end) return undefined;
        const found = await segments.read(at + from, Math.min(maxBytes, end - from));
        if (found === undefined || found.offset - at >= end)
          return { offset: end, data: Buffer.alloc(0), isRemoved: found?.isRemoved ?? false };
        const data = found.data.subarray(0, end - (found.offset - at));
        return { ...found, offset: found.offset - at, data };
      },
      lossAt: (offset) => {
        const loss = this.#state.losses.find(
          (one) => one.stream === stream && one.from <= at + offset && at + offset < one.to,
        );
        return loss === undefined
          ? { reason: "disk", to: Infinity }
          : { reason: loss.reason, to: within(loss.to) };
      },
    };
  }
}

function joinChapters(a: Chapter, b: Chapter, group: string): Chapter {
  const streams = Object.fromEntries(
    STREAMS.flatMap((stream): [StreamName, ChapterStream][] => {
      const [first, second] = [a.streams[stream], b.streams[stream]];
      const place = first ?? second;
      if (place === undefined) return [];
      const end = second === undefined ? place.end : second.at + second.end - place.at;
      return [[stream, { at: place.at, end }]];
    }),
  );
  return { ...b, name: a.name === b.name ? b.name : group, startedMs: a.startedMs, streams };
}

function writeWhole(fd: number, bytes: Buffer, at: number): void {
  for (let written = 0; written < bytes.length;)
    written += writeSync(fd, bytes, written, bytes.length - written, at + written);
}
