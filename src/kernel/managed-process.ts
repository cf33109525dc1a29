import { closeSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";

import { systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { hasReader, openFifoReader } from "../posix/fifo.ts";
import { openPidfd } from "../posix/process.ts";
import type { ProcessInfo, StreamName } from "./api.ts";
import type { ProcessRecord } from "./journal-records.ts";
import { KeptOutput } from "./output.ts";
import type { Pump } from "./pump.ts";

/** The longest line a process may say on its notify descriptor. */
const NOTIFY_LINE_BYTES = 4_096;

/** What happens to a managed process, told to the table. */
export interface ProcessObserver {
  said(process: ManagedProcess): void;
  /** It wrote a `LISTEN=` line: it asks its supervisor for an address, or reports one. */
  listens(process: ManagedProcess, text: string): void;
  closed(process: ManagedProcess): void;
  /** A piece of its output is full: the bound that it shares with others may be used up. */
  pieceFull(process: ManagedProcess): void;
  notice(text: string): void;
}

/** Descriptors of the reading ends of a process's FIFOs. */
export type KeptReaders = Readonly<Partial<Record<StreamName | "notify", number>>>;

/** What a managed process is made of. */
export interface ManagedProcessParts {
  readonly record: ProcessRecord;
  readonly home: Home;
  readonly pump: Pump;
  /** See {@link openOutput}; closed with the process. */
  readonly output: KeptOutput;
  readonly observer: ProcessObserver;
}

/** One process the kernel made, alive or ended, with its kept output. */
export class ManagedProcess {
  readonly record: ProcessRecord;
  readonly output: KeptOutput;
  /** The end of its output was reached after its own end. */
  closed = false;
  ready = false;
  status: string | undefined;
  /** Set when it was asked to be forgotten while it still ran. */
  leaving = false;
  endedMs: number | undefined;
  /** When this kernel saw it end, in clock ticks since the boot. */
  endedTicks: number | undefined;
  exitCode: number | null | undefined;
  /** It ended unseen, and what it said last may be lost. */
  incomplete = false;
  readonly #home: Home;
  readonly #pump: Pump;
  readonly #observer: ProcessObserver;
  readonly #readers = new Map<StreamName, number>();
  #notify: Socket | undefined;
  #notifyFd: number | undefined;
  #pidfd: number | undefined;

  constructor(parts: ManagedProcessParts) {
    this.record = parts.record;
    this.output = parts.output;
    this.#home = parts.home;
    this.#pump = parts.pump;
    this.#observer = parts.observer;
    this.output.pieceFull = () => parts.observer.pieceFull(this);
    this.#pidfd = openPidfd(parts.record.info.pid);
  }

  get name(): string {
    return this.record.info.name;
  }

  get running(): boolean {
    return this.endedMs === undefined;
  }

  get pidfd(): number | undefined {
    return this.#pidfd;
  }

  /** Begins to move a stream of output; the reader must be open since before the process began. */
  capture(stream: StreamName, reader: number): void {
    this.#readers.set(stream, reader);
    this.#pump.add(
      reader,
      this.output.pumpTarget(stream, () => this.#readers.delete(stream)),
    );
  }

  /**
   * Goes on reading after the kernel was replaced or died.
   *
   * @param kept - the descriptors that the kernel before left open; the others are opened by path
   * @param hasEnded - the process is known to have ended: it has nothing more to say of itself
   */
  recapture(kept: KeptReaders, hasEnded: boolean): void {
    for (const stream of this.record.streams) {
      const reader = kept[stream] ?? this.#reopen(stream);
      if (reader !== undefined) this.capture(stream, reader);
    }
    const notify = kept.notify ?? (hasEnded ? undefined : this.#reopen("notify"));
    if (notify !== undefined) this.listenToNotify(notify);
  }

  /** `undefined` when the FIFO is not there: never made, or removed. */
  #reopen(stream: StreamName | "notify"): number | undefined {
    try {
      return openFifoReader(fifoPath(this.#home, this.record.id, stream));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Whether somebody else has its FIFOs open, so that no unread byte went with the kernel. */
  isHeldElsewhere(): boolean {
    return this.record.streams.every((stream) =>
      hasReader(fifoPath(this.#home, this.record.id, stream)),
    );
  }

  /** The descriptors its FIFOs are read by, for a successor of this kernel. */
  get readers(): KeptReaders {
    return { ...Object.fromEntries(this.#readers), ...this.#notifyReader };
  }

  /** The socket closes its descriptor at the end of the FIFO; the number is another file's then. */
  get #notifyReader(): KeptReaders {
    const fd = this.#notify?.destroyed === false ? this.#notifyFd : undefined;
    return fd === undefined ? {} : { notify: fd };
  }

  /** Listens to what the process says of itself: `READY=1`, `STATUS=…`, one a line. */
  listenToNotify(reader: number): void {
    this.#notifyFd = reader;
    const socket = new Socket({ fd: reader, readable: true, writable: false });
    this.#notify = socket;
    let pending = "";
    socket.on("data", (chunk: Buffer) => {
      const lines = (pending + chunk.toString("utf8")).split("\n");
      pending = (lines.pop() ?? "").slice(0, NOTIFY_LINE_BYTES);
      for (const line of lines) this.#said(line);
    });
    socket.on("error", (error) =>
      this.#observer.notice(`notify of ${this.name}: ${error.message}`),
    );
    socket.unref();
  }

  /** It ended; `exitCode` is `null` when nobody could learn it. */
  async end(exitCode: number | null, endedMs: number): Promise<void> {
    this.endedMs = endedMs;
    this.exitCode = exitCode;
    this.#dropPidfd();
    // Its last words are in the FIFOs; whatever a descendant still writes does not delay the end.
    await Promise.all([...this.#readers.values()].map((reader) => this.#pump.drained(reader)));
    this.closed = true;
    this.#observer.closed(this);
    this.output.changed();
  }

  info(): ProcessInfo {
    const output = Object.fromEntries(
      this.record.streams.map((stream) => [stream, this.output.range(stream)]),
    );
    return {
      ...this.record.info,
      running: this.running,
      ...(this.endedMs === undefined ? {} : { endedMs: this.endedMs }),
      ...(this.exitCode === undefined ? {} : { exitCode: this.exitCode }),
      closed: this.closed,
      ...(this.incomplete ? { incomplete: true } : {}),
      ready: this.ready && this.running,
      ...(this.status === undefined ? {} : { status: this.status }),
      output,
      fifos: this.record.streams.map((stream) => fifoPath(this.#home, this.record.id, stream)),
      ...(this.record.group === undefined ? {} : { group: this.record.group }),
    };
  }

  /** Where its output stands. */
  get spoolDirectory(): string {
    return spoolDirectory(this.#home, this.record.id);
  }

  /** Lets go of every descriptor; the process itself and its files stay. */
  async release(): Promise<void> {
    await this.#letGo();
    await this.output.close();
  }

  /** The same at once: its files are complete, and can be moved. */
  releaseNow(): void {
    this.output.closeAfter(this.#letGo());
  }

  /** @returns resolves once nothing is written to its output any more */
  async #letGo(): Promise<void> {
    const removed = [...this.#readers.values()].map((reader) => this.#pump.remove(reader));
    this.#readers.clear();
    this.#notify?.destroy();
    this.#dropPidfd();
    await Promise.all(removed);
  }

  /** Removes its files. */
  async erase(): Promise<void> {
    this.output.erase();
    await this.release();
    await removeOutput(this.#home, this.record.id);
    for (const stream of [...this.record.streams, "notify"] as const) {
      await rm(fifoPath(this.#home, this.record.id, stream), { force: true });
    }
  }

  #said(line: string): void {
    if (line === "READY=1") this.ready = true;
    else if (line.startsWith("STATUS=")) this.status = line.slice("STATUS=".length, 256);
    else if (line.startsWith("LISTEN=")) {
      this.#observer.listens(this, line.slice("LISTEN=".length));
      return;
    } else return;
    this.#observer.said(this);
  }

  #dropPidfd(): void {
    if (this.#pidfd !== undefined) closeSync(this.#pidfd);
    this.#pidfd = undefined;
  }
}

/** Opens the files of a process's output, before the process is there: a full disk refuses it then. */
export function openOutput(
  home: Home,
  { id, streams, bufsize, group }: ProcessRecord,
  notice: (text: string) => void,
): KeptOutput {
  const directory = spoolDirectory(home, id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return new KeptOutput(directory, streams, { bufsize, isShared: group !== undefined }, notice);
}

/** Removes the files of a process's output. */
export async function removeOutput(home: Home, id: string): Promise<void> {
  await rm(spoolDirectory(home, id), { recursive: true, force: true });
}

/** Where the kept output of a process stands. */
export function spoolDirectory(home: Home, id: string): string {
  return join(home.spoolDirectory, id);
}

/** The FIFO of a stream, or of what the process says of itself. */
export function fifoPath(home: Home, id: string, stream: StreamName | "notify"): string {
  return join(home.fifoDirectory, `${id}.${stream}`);
}
