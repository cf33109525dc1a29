import { closeSync, rm } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { hasReader, openFifoReader } from "../posix/fifo.ts";
import { openPidfd } from "../posix/process.ts";
import { makeDirectory } from "../base/make-directory.ts";
import type { ProcessInfo, StreamName } from "./process-api.ts";
import type { ProcessRecord } from "./journal-records.ts";
import { KeptOutput } from "./output.ts";
import type { Pump } from "./pump.ts";

const removeAsync = promisify(rm);

/** The longest line a process may write to its notify descriptor. */
const NOTIFY_LINE_BYTES = 4_096;

/** The events of a managed process, reported to the process table. */
export interface ProcessObserver {
  said(process: ManagedProcess): void;
  /** The process wrote a `LISTEN=` line: it asks its supervisor for an address, or reports one. */
  listens(process: ManagedProcess, text: string): void;
  closed(process: ManagedProcess): void;
  /** A piece of the output is full: the bound shared with other processes may be used up. */
  pieceFull(process: ManagedProcess): void;
  notice(text: string): void;
}

/** Descriptors of the reading ends of a process's FIFOs. */
export type KeptReaders = Readonly<Partial<Record<StreamName | "notify", number>>>;

/** The parts of a managed process. */
export interface ManagedProcessParts {
  readonly record: ProcessRecord;
  readonly home: Home;
  readonly pump: Pump;
  /** See {@link openOutput}; closed with the process. */
  readonly output: KeptOutput;
  readonly observer: ProcessObserver;
}

/** One process that the kernel made, alive or ended, with its kept output. */
export class ManagedProcess {
  readonly record: ProcessRecord;
  readonly output: KeptOutput;
  /** Whether the end of the output was reached after the end of the process. */
  closed = false;
  ready = false;
  status: string | undefined;
  /** Whether the process was removed while it still ran. */
  leaving = false;
  endedMs: number | undefined;
  /** The time at which this kernel saw the process end, in clock ticks since the boot. */
  endedTicks: number | undefined;
  exitCode: number | null | undefined;
  /** The process ended while no kernel watched, and its last output may be lost. */
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

  /** Begins to move a stream of output; the reader must have been open since before the process began. */
  capture(stream: StreamName, reader: number): void {
    this.#readers.set(stream, reader);
    this.#pump.add(
      reader,
      this.output.pumpTarget(stream, () => this.#readers.delete(stream)),
    );
  }

  /**
   * Continues to read after the kernel was replaced or died.
   *
   * @param kept - the descriptors that the kernel before left open; the others are opened by path
   * @param hasEnded - the process is known to have ended: its notify descriptor is not read
   */
  recapture(kept: KeptReaders, hasEnded: boolean): void {
    for (const stream of this.record.streams) {
      const reader = kept[stream] ?? this.#reopen(stream);
      if (reader !== undefined) this.capture(stream, reader);
    }
    const notify = kept.notify ?? (hasEnded ? undefined : this.#reopen("notify"));
    if (notify !== undefined) this.listenToNotify(notify);
  }

  /** Opens the FIFO again; `undefined` when it is missing: never made, or removed. */
  #reopen(stream: StreamName | "notify"): number | undefined {
    try {
      return openFifoReader(fifoPath(this.#home, this.record.id, stream));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Whether another process has the FIFOs open, so that no unread byte was lost with the kernel. */
  isHeldElsewhere(): boolean {
    return this.record.streams.every((stream) =>
      hasReader(fifoPath(this.#home, this.record.id, stream)),
    );
  }

  /** The descriptors at which the FIFOs are read, for a successor of this kernel. */
  get readers(): KeptReaders {
    return { ...Object.fromEntries(this.#readers), ...this.#notifyReader };
  }

  /** The socket closes its descriptor at the end of the FIFO; then the number may belong to another file. */
  get #notifyReader(): KeptReaders {
    const fd = this.#notify?.destroyed === false ? this.#notifyFd : undefined;
    return fd === undefined ? {} : { notify: fd };
  }

  /** Reads the notify lines of the process: `READY=1`, `STATUS=…`, one a line. */
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

  /** Records the end of the process; `exitCode` is `null` when it could not be learned. */
  async end(exitCode: number | null, endedMs: number): Promise<void> {
    this.endedMs = endedMs;
    this.exitCode = exitCode;
    this.#dropPidfd();
    // The last output of the process is in the FIFOs; further output of a descendant does not delay the end.
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

  /** The directory of the output files. */
  get spoolDirectory(): string {
    return spoolDirectory(this.#home, this.record.id);
  }

  /** Closes every descriptor; the process itself and its files stay. */
  async release(): Promise<void> {
    await this.#letGo();
    await this.output.close();
  }

  /** Closes every descriptor at once: the files are complete, and can be moved. */
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
      await removeAsync(fifoPath(this.#home, this.record.id, stream), { force: true });
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

/** Opens the output files before the process is started, so that the start fails if the files cannot be created. */
export function openOutput(
  home: Home,
  { id, streams, bufsize, group }: ProcessRecord,
  notice: (text: string) => void,
): KeptOutput {
  const directory = spoolDirectory(home, id);
  makeDirectory(directory, 0o700);
  return new KeptOutput(directory, streams, { bufsize, isShared: group !== undefined }, notice);
}

/** Removes the files of a process's output. */
export async function removeOutput(home: Home, id: string): Promise<void> {
  await removeAsync(spoolDirectory(home, id), { recursive: true, force: true });
}

/** The directory of the kept output of a process. */
export function spoolDirectory(home: Home, id: string): string {
  return join(home.spoolDirectory, id);
}

/** The path of the FIFO of a stream, or of the notify descriptor. */
export function fifoPath(home: Home, id: string, stream: StreamName | "notify"): string {
  return join(home.fifoDirectory, `${id}.${stream}`);
}
