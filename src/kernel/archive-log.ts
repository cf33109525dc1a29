import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { systemCode } from "../base/errors.ts";
import type { GapReason, StreamName } from "./process-api.ts";

/** The position of the output of one stream of a process in its archive. */
export interface ChapterStream {
  /** The archive offset of the first byte that the process ever wrote. */
  readonly at: number;
  /** The number of bytes that the process wrote. */
  readonly end: number;
}

/** One process in an archive, or several old ones that were joined. */
export interface Chapter {
  /** The journal's id of the process. */
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly exitCode: number | null;
  readonly streams: Readonly<Partial<Record<StreamName, ChapterStream>>>;
}

/** Bytes of an archive that are lost, and why. */
interface Loss {
  readonly stream: StreamName;
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
}

/** How much of each stream of a group is kept, and how long. */
export interface GroupBounds {
  readonly bufsize: number;
  readonly maxAgeMs?: number;
}

/** The state of an archive in addition to its bytes. */
export interface ArchiveState {
  bounds: GroupBounds;
  chapters: Chapter[];
  losses: Loss[];
}

/** After this number of lines the file is replaced by one with the present state. */
const REWRITE_LINES = 1_000;

/**
 * The state of an archive on disk: the first line is a complete state, each later line a chapter that was
 * added. A line cut off by a crash is skipped: its process is still in the journal then, and is archived
 * again.
 */
export class ArchiveLog {
  readonly #path: string;
  #lines = 0;

  constructor(directory: string) {
    this.#path = join(directory, "chapters");
  }

  read(initial: GroupBounds): ArchiveState {
    const state: ArchiveState = { bounds: initial, chapters: [], losses: [] };
    const lines = readLines(this.#path);
    this.#lines = lines.length;
    for (const line of lines) {
      const record = parse(line);
      if (record !== undefined && "chapters" in record) Object.assign(state, record);
      else if (record !== undefined) state.chapters.push(record);
    }
    return state;
  }

  /** @returns whether the caller has to call {@link write} */
  append(chapter: Chapter): boolean {
    appendFileSync(this.#path, `${JSON.stringify(chapter)}\n`, { mode: 0o600 });
    this.#lines += 1;
    return this.#lines > REWRITE_LINES;
  }

  /** Replaces the file by one line, in one step. */
  write({ bounds, chapters, losses }: ArchiveState): void {
    const next = `${this.#path}.next`;
    writeFileSync(next, `${JSON.stringify({ bounds, chapters, losses })}\n`, { mode: 0o600 });
    renameSync(next, this.#path);
    this.#lines = 1;
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

function parse(line: string): Chapter | ArchiveState | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord =
      typeof value === "object" && value !== null && ("chapters" in value || "streams" in value);
    return isRecord ? (value as Chapter | ArchiveState) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
