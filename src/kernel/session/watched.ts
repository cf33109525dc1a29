import type {
  Kernel,
  KernelEvent,
  OutputChunk,
  OutputPosition,
  ProcessInfo,
  ProcessOutput,
} from "../api.ts";

/** The exit code and time of a process whose output ended. */
export interface End {
  readonly exitCode: number | null;
  readonly timeMs: number;
}

/**
 * One process as a reader sees it: what comes next in its output, and whether there will be more.
 * It stands for the process it was made for, also when another gets the same name.
 */
export class Watched {
  readonly name: string;
  readonly pid: number;
  readonly #output: ProcessOutput;
  readonly #stopListening: readonly (() => void)[];
  #position: OutputPosition;
  #exit: End;
  #ended = false;
  #gone = false;

  /** @param wake - called whenever it may be worth looking again */
  constructor(
    kernel: Kernel,
    process: ProcessInfo,
    position: Partial<OutputPosition>,
    wake: () => void,
  ) {
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

  /** No more output will come: it ended and was read to the end, or it left the list. */
  get over(): boolean {
    return this.#ended || this.#gone;
  }

  /** Its end is known, and was reached by its output. */
  get ended(): boolean {
    return this.#ended;
  }

  /** It left the list, so there is nothing to acknowledge. */
  get gone(): boolean {
    return this.#gone;
  }

  get end(): End {
    return this.#exit;
  }

  /** The next piece of output; `undefined` when there is none now. */
  async next(maxBytes: number): Promise<OutputChunk | undefined> {
    const chunk = await this.#read(maxBytes);
    if (chunk !== undefined) {
      const position = { [chunk.stream]: chunk.offset + chunk.data.length };
      this.#position = { ...this.#position, ...position };
    }
    return chunk;
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  async #read(maxBytes: number): Promise<OutputChunk | undefined> {
    try {
      return await this.#output.next(this.#position, maxBytes);
    } catch (error) {
      // The files of a removed process go while somebody reads them; that is its end.
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
