import type { Kernel, KernelEvent } from "../api.ts";
import { eventLine, seconds } from "../commands/lines.ts";
import type { Connection } from "./connection.ts";
import { Bell, Watched } from "./watched.ts";

/**
 * A state of a text session that lasts longer than one reply: until it ends, it gets the client's lines
 * instead of the command table.
 */
export interface Mode {
  /** Called when the session enters the mode; it may end the mode at once. */
  begin(): void;
  /** Called with a line of the client. */
  line(text: string): void;
  /** Called when the connection is gone. */
  close(): void;
}

export interface ModeContext {
  readonly kernel: Kernel;
  readonly connection: Connection;
  /** Leaves the mode with a last line before the prompt. */
  leave(lastLine: string): void;
  /** Leaves the mode because of an unexpected error. */
  failed(error: unknown): void;
}

/** The output bytes of one batch, over all watched processes. */
const BATCH_BYTES = 262_144;
const CHUNK_BYTES = 65_536;
/** The exit code for papa's clients when the real one could not be learned. */
const UNKNOWN_EXIT_CODE = 256;
const END_OF_BATCH = "] ";

/** Sends frames of output in batches; the next batch waits for the acknowledgement of the last. */
export class TextWatch implements Mode {
  readonly #context: ModeContext;
  readonly #bell = new Bell();
  readonly #watched = new Map<string, Watched>();
  /** The processes whose end is in the unacknowledged batch. */
  readonly #told = new Set<Watched>();
  #unacknowledged = false;
  #over = false;

  constructor(context: ModeContext, names: readonly string[]) {
    this.#context = context;
    const { kernel } = context;
    for (const process of names.flatMap((name) => kernel.processes.list([name]))) {
      const position = kernel.readers.position(process, undefined);
      const watched = new Watched(kernel, process, position, this.#bell.ring, true);
      this.#watched.set(process.name, watched);
    }
  }

  begin(): void {
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  line(text: string): void {
    const word = text.trim();
    if (word === "") this.#acknowledge();
    else if ("quit".startsWith(word)) this.#stop();
    else this.#context.connection.write("Error: Watching: an empty line goes on, q stops\n");
  }

  close(): void {
    this.#over = true;
    for (const watched of this.#watched.values()) watched.close();
    this.#bell.ring();
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      if (!this.#unacknowledged) {
        this.#dropGone();
        if (this.#watched.size === 0) {
          this.#finish("Nothing left to watch");
          return;
        }
        await this.#context.connection.turn(() => this.#sendBatch());
      }
      await this.#bell.wait();
    }
  }

  async #sendBatch(): Promise<void> {
    const frames: (string | Buffer)[] = [];
    let room = BATCH_BYTES;
    for (const watched of this.#watched.values()) {
      while (room > 0) {
        const over = watched.over;
        const chunk = await watched.next(Math.min(room, CHUNK_BYTES));
        if (chunk === undefined) {
          if (over && watched.ended) frames.push(this.#closedFrame(watched));
          break;
        }
        const { stream, timeMs, data } = chunk;
        if (data.length === 0) continue;
        frames.push(`${stream}:${watched.name}:${seconds(timeMs)}:${data.length}\n`, data, "\n");
        room -= data.length;
      }
    }
    if (this.#over || frames.length === 0) return;
    this.#unacknowledged = true;
    this.#context.connection.writeAll(...frames, END_OF_BATCH);
  }

  #closedFrame(watched: Watched): string {
    this.#told.add(watched);
    const { exitCode, timeMs } = watched.end;
    return `closed:${watched.name}:${seconds(timeMs)}:${exitCode ?? UNKNOWN_EXIT_CODE}\n`;
  }

  #acknowledge(): void {
    if (!this.#unacknowledged) return;
    this.#unacknowledged = false;
    const { kernel } = this.#context;
    for (const watched of this.#watched.values())
      if (!watched.gone) kernel.readers.acknowledge(watched, undefined, watched.position);
    for (const watched of this.#told) {
      watched.close();
      this.#watched.delete(watched.name);
      if (!watched.gone) kernel.processes.acknowledgeEnd(watched.name);
    }
    this.#told.clear();
    this.#bell.ring();
  }

  /** Drops processes that were removed while they ran: they have no end to report. */
  #dropGone(): void {
    for (const watched of this.#watched.values()) {
      if (!watched.gone || watched.ended) continue;
      watched.close();
      this.#watched.delete(watched.name);
    }
  }

  #stop(): void {
    this.#acknowledge();
    this.#finish("Stopped watching");
  }

  #finish(lastLine: string): void {
    this.close();
    this.#context.leave(lastLine);
  }

  #fail(error: unknown): void {
    this.close();
    this.#context.failed(error);
  }
}

/** Events as they happen, one a line. */
export class TextEvents implements Mode {
  readonly #context: ModeContext;
  readonly #stream: EventStream;

  constructor(context: ModeContext, since: number) {
    this.#context = context;
    this.#stream = new EventStream(context.kernel, context.connection, since, (event) =>
      context.connection.write(`${eventLine(event)}\n`),
    );
  }

  begin(): void {
    this.#stream.run().catch((error: unknown) => {
      this.close();
      this.#context.failed(error);
    });
  }

  line(text: string): void {
    const word = text.trim();
    if (word === "") return;
    if (!"quit".startsWith(word)) {
      this.#context.connection.write("Error: Showing events: q stops\n");
      return;
    }
    this.close();
    this.#context.leave("Stopped watching");
  }

  close(): void {
    this.#stream.close();
  }
}

/** Sends the events after a number, at the pace of the connection. */
export class EventStream {
  readonly #kernel: Kernel;
  readonly #connection: Connection;
  readonly #give: (event: KernelEvent) => void;
  readonly #bell = new Bell();
  readonly #stopListening: () => void;
  #since: number;
  #over = false;

  constructor(
    kernel: Kernel,
    connection: Connection,
    since: number,
    give: (event: KernelEvent) => void,
  ) {
    this.#kernel = kernel;
    this.#connection = connection;
    this.#since = since;
    this.#give = give;
    this.#stopListening = kernel.events.onEvent(this.#bell.ring);
  }

  async run(): Promise<void> {
    while (!this.#over) {
      for (const event of this.#kernel.events.since(this.#since)) {
        await this.#connection.drained();
        if (this.#over) return;
        this.#give(event);
        this.#since = event.seq;
      }
      await this.#bell.wait();
    }
  }

  close(): void {
    this.#over = true;
    this.#stopListening();
    this.#bell.ring();
  }
}
