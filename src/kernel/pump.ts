import { closeSync, openSync } from "node:fs";

import { messageOf, newelError, systemCode } from "../base/errors.ts";
import { Epoll } from "../posix/epoll.ts";
import { pipeFill, resizePipe, spliceToFile } from "../posix/fifo.ts";
import { errnoName, explainErrno } from "../posix/libc.ts";

/** The destination of the bytes from one FIFO. */
export interface PumpTarget {
  target(): { readonly fd: number; readonly offset: number; readonly roomBytes: number };
  /** That many bytes arrived at the target. */
  grew(bytes: number): void;
  /** That many bytes could not be stored: the disk is full, read-only or broken. Must not throw. */
  skipped(bytes: number): void;
  /** No process holds the FIFO open for writing any more. */
  ended(): void;
}

interface Source {
  readonly fd: number;
  readonly target: PumpTarget;
  pipeBytes: number;
  movedBytes: number;
  busy: Promise<void> | undefined;
  /** Measured over the last window, in bytes a millisecond. */
  rate: number;
  windowStartMs: number;
  windowBytes: number;
  /** Failed writes since the last successful one. */
  failures: number;
  /** Until this time nothing is written for this source: its bytes are dropped and counted. */
  pausedUntilMs: number;
}

/** One attempt to move a piece: the bytes moved, or why none were moved. */
interface Moved {
  readonly moved: number;
  /** Whether that was most of the available bytes, so that another attempt at once would fetch only a few. */
  readonly isMost: boolean;
  readonly outcome: "moved" | "empty" | "ended" | "interrupted" | "refused" | "broken";
}

const SPLICE_BYTES = 1 << 20;
const PIPE_BYTES = 64 << 10;
/** From this rate on a source is busy: its pipe is enlarged, and left to fill for up to {@link REST_MS}. */
const BUSY_BYTES_PER_MS = 4_096;
const WINDOW_MS = 10;
/** The longest time a busy pipe is left to fill, in milliseconds; many small writes then cost one splice. */
const REST_MS = 4;
const BUSY_PIPE_BYTES = 1 << 20;
/** Pipes enlarged at once: with the others they stay well below a user's quota of 16,384 pages. */
const BUSY_PIPES = 32;
/** Bytes one source may move before the next is served. */
const TURN_BYTES = 8 << 20;
/** From the second failed write in a row on, the pause before the next attempt doubles, in milliseconds. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 1_000;
/** Splices under way at once; the thread pool has four threads and one of them waits in epoll. */
const PARALLEL = 2;

/**
 * Moves output from FIFOs into files with splice(2): the bytes are in the FIFO or in the file, never in this
 * process, so killing it at any instant loses none.
 */
export class Pump {
  readonly #epoll = new Epoll();
  readonly #sources = new Map<number, Source>();
  readonly #stopped: Source[] = [];
  readonly #watched = new Map<number, () => void>();
  readonly #waiting: (() => void)[] = [];
  readonly #notice: (text: string) => void;
  #running = 0;
  #enlarged = 0;
  #discard: number | undefined;
  readonly #loop: Promise<void>;

  /** @param notice - called with messages for the operator */
  constructor(notice: (text: string) => void) {
    this.#notice = notice;
    this.#loop = this.#run();
  }

  /** Takes over a FIFO's reading end. */
  add(fd: number, target: PumpTarget): void {
    this.#sources.set(fd, {
      fd,
      target,
      pipeBytes: PIPE_BYTES,
      movedBytes: 0,
      busy: undefined,
      rate: 0,
      windowStartMs: performance.now(),
      windowBytes: 0,
      failures: 0,
      pausedUntilMs: 0,
    });
    this.#epoll.add(fd);
  }

  /** Calls `ready` once a descriptor is readable: a pidfd, when its process has ended. */
  watch(fd: number, ready: () => void): void {
    this.#watched.set(fd, ready);
    this.#epoll.add(fd);
  }

  /** Forgets a watched descriptor; call it before it is closed. */
  unwatch(fd: number): void {
    if (this.#watched.delete(fd)) this.#epoll.remove(fd);
  }

  /** Resolves once everything that was in the FIFO at the time of the call has been moved. */
  async drained(fd: number): Promise<void> {
    const source = this.#sources.get(fd);
    if (source === undefined) return;
    await source.busy;
    if (this.#sources.get(fd) !== source) return;
    // Counts bytes, because a descendant may continue to write for ever.
    const goal = source.movedBytes + pipeFill(fd);
    while (this.#sources.get(fd) === source && source.movedBytes < goal) await this.#serve(source);
  }

  /** Stops reading a FIFO and closes it. Resolves once nothing is written to its target any more. */
  async remove(fd: number): Promise<void> {
    const source = this.#sources.get(fd);
    if (source === undefined) return;
    this.#sources.delete(fd);
    if (source.pipeBytes > PIPE_BYTES) this.#enlarged -= 1;
    this.#epoll.remove(fd);
    // A splice under way still needs the descriptor.
    if (source.busy !== undefined) await source.busy;
    closeSync(fd);
  }

  /** Moves nothing from now on; every descriptor stays open for a successor. */
  async stop(): Promise<void> {
    this.#epoll.close();
    await this.#loop;
    const sources = [...this.#sources.values()];
    this.#sources.clear();
    for (const { busy } of sources) await busy;
    this.#stopped.push(...sources);
  }

  async close(): Promise<void> {
    await this.stop();
    for (const { fd } of this.#stopped.splice(0)) closeSync(fd);
    if (this.#discard !== undefined) closeSync(this.#discard);
  }

  async #run(): Promise<void> {
    for (;;) {
      const ready = await this.#epoll.wait();
      if (ready.length === 0) return;
      for (const fd of ready) {
        const source = this.#sources.get(fd);
        if (source !== undefined) void this.#serve(source);
        this.#watched.get(fd)?.();
      }
    }
  }

  /** Serves a source for one turn; a second call during the turn gets the same promise. */
  #serve(source: Source): Promise<void> {
    source.busy ??= this.#turn(source).finally(() => {
      source.busy = undefined;
    });
    return source.busy;
  }

  async #turn(source: Source): Promise<void> {
    await this.#slot();
    try {
      const state = await this.#move(source);
      if (!this.#sources.has(source.fd)) return;
      if (state === "ended") this.#end(source);
      else this.#goOn(source, state);
    } catch (error) {
      this.#giveUp(source, messageOf(error));
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /**
   * Schedules the next turn of a source: when there are bytes, or, for a busy source, once there are enough.
   */
  #goOn(source: Source, state: "empty" | "more"): void {
    const restMs = Math.min(REST_MS, Math.floor(source.pipeBytes / 2 / Math.max(1, source.rate)));
    if (state === "more") setImmediate(() => this.#again(source));
    else if (source.rate >= BUSY_BYTES_PER_MS && restMs >= 1)
      setTimeout(() => this.#again(source), restMs);
    else this.#epoll.arm(source.fd);
  }

  #again(source: Source): void {
    if (this.#sources.get(source.fd) === source) void this.#serve(source);
  }

  async #slot(): Promise<void> {
    while (this.#running >= PARALLEL)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }

  async #move(source: Source): Promise<"empty" | "more" | "ended"> {
    let total = 0;
    while (total < TURN_BYTES && this.#sources.has(source.fd)) {
      const isPaused = performance.now() < source.pausedUntilMs;
      let step = isPaused ? await this.#drop(source) : await this.#store(source);
      if (step.outcome === "refused") step = await this.#drop(source);
      if (step.outcome === "ended") return "ended";
      if (step.outcome === "broken") {
        this.#giveUp(source, "it cannot be read");
        return "ended";
      }
      total += step.moved;
      source.movedBytes += step.moved;
      if (step.outcome === "empty" || step.isMost) break;
    }
    this.#measure(source, total);
    return total < TURN_BYTES ? "empty" : "more";
  }

  /** Moves a piece to the file that keeps it. */
  async #store(source: Source): Promise<Moved> {
    try {
      const { fd, offset, roomBytes } = source.target.target();
      const length = Math.min(SPLICE_BYTES, roomBytes);
      const { moved, errno } = await spliceToFile(source.fd, fd, offset, length);
      const outcome = outcomeOf(moved, errno);
      if (outcome === "refused") this.#writeFailed(source, errnoName(errno));
      if (moved > 0) this.#stored(source, moved);
      const isMost = moved > 0 && moved < length && moved < source.pipeBytes / 2;
      return { moved, isMost, outcome };
    } catch (error) {
      this.#writeFailed(source, systemCode(error) ?? messageOf(error));
      return { moved: 0, isMost: false, outcome: "refused" };
    }
  }

  #stored(source: Source, bytes: number): void {
    source.failures = 0;
    try {
      source.target.grew(bytes);
    } catch (error) {
      // The bytes are kept; only a file that is too old could not be removed.
      this.#notice(`Output that is too old could not be removed: ${messageOf(error)}`);
    }
  }

  /**
   * Reads a piece from the FIFO and drops it, counted, because it cannot be written: a child that blocks for
   * ever would be worse than a gap of known size.
   */
  async #drop(source: Source): Promise<Moved> {
    this.#discard ??= openSync("/dev/null", "w");
    const length = Math.max(1, pipeFill(source.fd));
    const { moved, errno } = await spliceToFile(source.fd, this.#discard, 0, length);
    if (moved > 0) source.target.skipped(moved);
    const outcome = outcomeOf(moved, errno);
    return { moved, isMost: false, outcome: outcome === "refused" ? "broken" : outcome };
  }

  /** Handles every write error in the same way: reports it once, then retries after a pause. */
  #writeFailed(source: Source, errno: string): void {
    source.failures += 1;
    const pauseMs =
      source.failures < 2 ? 0 : Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (source.failures - 2));
    source.pausedUntilMs = performance.now() + pauseMs;
    const isFull = errno === "ENOSPC" || errno === "EDQUOT";
    this.#notice(
      (isFull
        ? newelError("NEWEL_E_DISK_FULL", { path: "output" })
        : newelError("NEWEL_E_OUTPUT_WRITE", { errno, why: explainErrno(errno) })
      ).message,
    );
  }

  /** Stops reading a FIFO whose read fails, because no retry can help. */
  #giveUp(source: Source, why: string): void {
    if (this.#sources.get(source.fd) !== source) return;
    this.#notice(`The output of a process is not read any more: ${why}.`);
    this.#end(source);
  }

  #measure(source: Source, bytes: number): void {
    source.windowBytes += bytes;
    const elapsedMs = performance.now() - source.windowStartMs;
    if (elapsedMs < WINDOW_MS) return;
    source.rate = source.windowBytes / elapsedMs;
    source.windowStartMs += elapsedMs;
    source.windowBytes = 0;
    if (source.rate >= BUSY_BYTES_PER_MS) this.#enlarge(source);
  }

  #end(source: Source): void {
    void this.remove(source.fd);
    source.target.ended();
  }

  #enlarge(source: Source): void {
    if (source.pipeBytes > PIPE_BYTES || this.#enlarged >= BUSY_PIPES) return;
    const sizeBytes = resizePipe(source.fd, BUSY_PIPE_BYTES);
    if (sizeBytes === undefined) {
      this.#notice(
        "The pipe quota of this user is used up: busy output goes through 64 KiB pipes (see pipe(7), pipe-user-pages-soft).",
      );
      return;
    }
    source.pipeBytes = sizeBytes;
    this.#enlarged += 1;
  }
}

function outcomeOf(moved: number, errno: number): Moved["outcome"] {
  if (moved > 0) return "moved";
  if (errno === 0) return "ended";
  const name = errnoName(errno);
  if (name === "EAGAIN") return "empty";
  return name === "EINTR" ? "interrupted" : "refused";
}
