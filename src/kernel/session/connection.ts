import type { Socket } from "node:net";

/**
 * A connection with more unsent bytes than this is full: no more input is read and no more output is made.
 */
const QUEUE_BYTES = 131_072;
/** How long a client may leave its end open after the kernel closed its end, in milliseconds. */
const LINGER_MS = 1_000;

/** The socket of one client, with a bound on unsent output. */
export class Connection {
  /** The process at the other end; missing when the operating system does not report it, as over TCP. */
  readonly peerPid: number | undefined;
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();
  #turns: Promise<void> = Promise.resolve();
  #closed = false;
  #ending = false;

  constructor(socket: Socket, peerPid?: number) {
    this.peerPid = peerPid;
    this.#socket = socket;
    socket.on("drain", () => this.#wake());
    socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the connection is ending: input of the client is ignored. */
  get ending(): boolean {
    return this.#ending || this.#closed;
  }

  /** Whether the client is so slow that no more output should be made for it. */
  get full(): boolean {
    return this.#socket.writableLength > QUEUE_BYTES;
  }

  write(data: string | Buffer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(data);
  }

  /** Writes several pieces that belong together. */
  writeAll(...pieces: readonly (string | Buffer)[]): void {
    this.#socket.cork();
    for (const piece of pieces) this.write(piece);
    this.#socket.uncork();
  }

  /** Sends the queued output, then closes. */
  end(): void {
    if (this.ending) return;
    this.#ending = true;
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves once the client has read the queued output, or is gone. */
  async drained(): Promise<void> {
    while (this.full && !this.#closed)
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /**
   * Runs `work` alone among this connection's streams, once there is room: however many streams a slow client
   * opened, at most one piece of output waits for it.
   */
  turn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turns.then(async () => {
      await this.drained();
      if (!this.#closed) await work();
    });
    this.#turns = mine.catch(() => undefined);
    return mine;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }
}
