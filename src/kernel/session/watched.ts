import type { Kernel, KernelEvent } from "../api.ts";
import type {
  OutputChunk,
  OutputPosition,
  ProcessInfo,
  ProcessOutput,
  StreamName,
} from "../process-api.ts";

const LINE_FEED = 0x0a;

/** The exit code and time of a process whose output ended. */
export interface End {
  readonly exitCode: number | null;
  readonly timeMs: number;
}

/**
 * One process for a reader: its next output, and whether more will come. It stands for the process it was
 * made for, even after another process gets the same name.
 */
export class Watched {
  readonly name: string;
  readonly pid: number;
  readonly #output: ProcessOutput;
  readonly #stopListening: readonly (() => void)[];
  readonly #wholeLines: boolean;
  /** The streams whose next bytes may be the rest of a cut line, with the time of the bytes skipped so far. */
  readonly #cut = new Map<StreamName, number | undefined>();
  #position: OutputPosition;
  #exit: End;
  #ended = false;
  #gone = false;

  /**
   * @param wake - called when there may be more to read
   * @param wholeLines - after a gap, continue with a whole line or piece: gaps are not reported to the reader
   */
  constructor(
    kernel: Kernel,
    process: ProcessInfo,
    position: Partial<OutputPosition>,
    wake: () => void,
    wholeLines = false,
  ) {
    this.#wholeLines = wholeLines;
    this.name = process.name;
    this.pid = process.pid;
    this.#position = { out: position.out ?? 0, err: position.err ?? 0 };
    this.#output = kernel.processes.output(process.name);
    this.#ended = process.closed;
    this.#exit = { exitCode: process.exitCode ?? null, timeMs: process.endedMs ?? Date.now() };
    this.#stopListening = [
      this.#output.onChange(wake),
      kernel.events.onEvent((event) => {
        if (this.#notice(event)) wake();
      }),
    ];
  }

  /** One past the last byte that {@link next} gave. */
  get position(): OutputPosition {
    return this.#position;
  }

  /** No more output will come: the process ended and was read to the end, or it left the list. */
  get over(): boolean {
    return this.#ended || this.#gone;
  }

  /** The end of the process is known, and its output was read to the end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The process left the list, so there is nothing to acknowledge. */
  get gone(): boolean {
    return this.#gone;
  }

  get end(): End {
    return this.#exit;
  }

  /** The next piece of output; `undefined` when there is none at present. */
  async next(maxBytes: number): Promise<OutputChunk | undefined> {
    for (;;) {
      const chunk = await this.#read(maxBytes);
      if (chunk === undefined) return undefined;
      const position = { [chunk.stream]: chunk.offset + chunk.data.length };
      this.#position = { ...this.#position, ...position };
      const whole = this.#wholeLines ? await this.#fromWholeLine(chunk) : chunk;
      if (whole !== undefined) return whole;
    }
  }

  /**
   * The rest of a chunk after a line whose beginning was dropped. A chunk of another time is another piece of
   * output, so that the output of a program without lines continues too.
   */
  async #fromWholeLine(chunk: OutputChunk): Promise<OutputChunk | undefined> {
    const { stream, offset, gap, timeMs, data } = chunk;
    if (gap > 0) this.#cut.set(stream, undefined);
    if (data.length === 0 || !this.#cut.has(stream)) return chunk;
    const before = this.#cut.get(stream);
    const isNewPiece = before !== undefined && before !== timeMs;
    if (isNewPiece || (before === undefined && (await this.#output.beginsLine(stream, offset)))) {
      this.#cut.delete(stream);
      return chunk;
    }
    this.#cut.set(stream, timeMs);
    const end = data.indexOf(LINE_FEED);
    if (end < 0) return undefined;
    this.#cut.delete(stream);
    return end + 1 < data.length ? { ...chunk, data: data.subarray(end + 1) } : undefined;
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  async #read(maxBytes: number): Promise<OutputChunk | undefined> {
    try {
      return await this.#output.next(this.#position, maxBytes);
    } catch (error) {
      // The files of a removed process disappear while they are read; that is the end of the output.
      if (this.#gone) return undefined;
      throw error;
    }
  }

  #notice(event: KernelEvent): boolean {
    if (event.noun !== "process" || event.name !== this.name) return false;
    if (event.type === "ended")
      this.#exit = { exitCode: event.exitCode ?? null, timeMs: event.timeMs };
    else if (event.type === "closed") this.#ended = true;
    else if (event.type === "removed") this.#gone = true;
    else return false;
    return true;
  }
}

/** Sleeps until it is woken; a wake before the sleep counts too, so none is lost. */
export class Bell {
  #rung = false;
  #ring: (() => void) | undefined;

  readonly ring = (): void => {
    this.#rung = true;
    this.#ring?.();
  };

  async wait(): Promise<void> {
    if (!this.#rung)
      await new Promise<void>((resolve) => {
        this.#ring = resolve;
      });
    this.#rung = false;
    this.#ring = undefined;
  }
}
