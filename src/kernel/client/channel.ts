import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { newelError, revive } from "../../base/errors.ts";
import { LineReader, type Message } from "./line-reader.ts";

/** The address at which a kernel listens. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** A request: the words of a command and its fields. */
export type Request = Readonly<Record<string, unknown>> & { readonly do: string };

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One connection to a kernel, as JSON lines. It never reconnects: that is the decision of its owner. */
export class Channel {
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #reader: LineReader;
  readonly #pending = new Map<number, Pending>();
  readonly #onStream: (message: Message) => void;
  readonly #lost = Promise.withResolvers<void>();
  #nextId = 1;
  #open = true;

  /** @param onStream - called with every message that is not an answer to a request */
  private constructor(socket: Socket, peer: string, onStream: (message: Message) => void) {
    this.#socket = socket;
    this.#peer = peer;
    this.#onStream = onStream;
    this.#reader = new LineReader((message) => this.#receive(message));
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => this.#close());
    // The error shows in the pending requests, which fail with the connection.
    socket.on("error", () => socket.destroy());
  }

  /** Rejects with the system's error when no process listens. */
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

  /** Resolves when the connection is closed or lost. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /**
   * Sends a request.
   *
   * @returns the kernel's answer
   * @throws the kernel's coded error; NEWEL_E_CONNECTION_LOST when no answer came
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

  /** Makes the connection no longer keep the process alive. */
  unref(): void {
    this.#socket.unref();
  }

  /** Stops reading, so that the kernel stops sending. */
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
      // The peer is not a newel kernel; its connection is useless.
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
