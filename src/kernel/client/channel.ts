import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { newelError, revive } from "../../base/errors.ts";
import { LineReader, type Message } from "./line-reader.ts";

/** Where a kernel listens. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** A request: the words of a command and what it is told. */
export type Request = Readonly<Record<string, unknown>> & { readonly do: string };

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One connection to a kernel, as JSON lines. It never connects again: that is its owner's choice. */
export class Channel {
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #reader: LineReader;
  readonly #pending = new Map<number, Pending>();
  readonly #onStream: (message: Message) => void;
  readonly #lost = Promise.withResolvers<void>();
  #nextId = 1;
  #open = true;

  /** @param onStream - gets every message that is no answer to a request */
  private constructor(socket: Socket, peer: string, onStream: (message: Message) => void) {
    this.#socket = socket;
    this.#peer = peer;
    this.#onStream = onStream;
    this.#reader = new LineReader((message) => this.#receive(message));
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => this.#close());
    // What went wrong shows in the requests that are lost by it.
    socket.on("error", () => socket.destroy());
  }

  /** Rejects with the system's own error when nobody listens. */
  static async open(
    address: Address,
    onStream: (message: Message) => void = () => undefined,
  ): Promise<Channel> {
    const socket = connect({ ...address, noDelay: true });
    await once(socket, "connect");
    return new Channel(socket, "path" in address ? address.path : `port ${address.port}`, onStream);
  }

  get open(): boolean {
    return this.#open;
  }

  /** Resolves when the connection is gone. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /**
   * Sends a request.
   *
   * @returns what the kernel answered
   * @throws the kernel's own coded error; NEWEL_E_CONNECTION_LOST when no answer came
   */
  request(request: Request): Promise<unknown> {
    if (!this.#open) return Promise.reject(this.#lostError());
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  /** From now on it does not keep the process alive. */
  unref(): void {
    this.#socket.unref();
  }

  /** While paused nothing more is read, so that the kernel stops sending. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
    this.#close();
  }

  #read(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
    } catch {
      // Whoever is at the other end is no kernel of ours; its connection is worth nothing.
      this.close();
    }
  }

  #receive(message: Message): void {
    const { id, ok, error } = message;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    const isAnswer = "ok" in message || "error" in message;
    if (pending === undefined || typeof id !== "number" || !isAnswer) {
      this.#onStream(message);
      return;
    }
    this.#pending.delete(id);
    if (typeof error === "object" && error !== null) pending.reject(revive(error));
    else pending.resolve(ok);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const pending of this.#pending.values()) pending.reject(this.#lostError());
    this.#pending.clear();
    this.#lost.resolve();
  }

  #lostError(): Error {
    return newelError("NEWEL_E_CONNECTION_LOST", { peer: `the kernel at ${this.#peer}` });
  }
}
