import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { AnswerReader, type Answer } from "./answer.ts";

/** The target of the load. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  /** HTTPS, any certificate. */
  readonly tls: boolean;
}

/** Shorter than any server's linger in a drain. */
const IDLE_MS = 200;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One connection of the load client: one request at a time, no retries, no pipelining. */
export class LoadConnection {
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  #waiting: Waiting | undefined;
  #isUsable = true;
  #usedAt = performance.now();

  constructor({ host, port, tls }: Destination) {
    this.#socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connect({ host, port });
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#fail(error.code ?? error.message),
    );
    // A close without a request under way is the server's right, and ends nothing.
    this.#socket.on("end", () => this.#fail("closed before the answer was complete"));
    this.#socket.on("close", () => this.#fail("closed before the answer was complete"));
  }

  /**
   * Whether another request may be sent. One that was idle for long is closed instead, as every
   * careful HTTP/1.1 client does: the server may be closing it at this very moment.
   */
  get isFree(): boolean {
    if (this.#isUsable && !this.isBusy && performance.now() - this.#usedAt > IDLE_MS) this.close();
    return this.#isUsable && !this.isBusy;
  }

  /** Whether an answer is under way. */
  get isBusy(): boolean {
    return this.#waiting !== undefined;
  }

  /** Sends one GET and resolves with its answer. */
  request(path: string, close: boolean, limitMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`no answer within ${limitMs} ms`), limitMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        this.#usedAt = performance.now();
      };
      this.#waiting = {
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const headers = `Host: load\r\n${close ? "Connection: close\r\n" : ""}`;
      this.#socket.write(`GET ${path} HTTP/1.1\r\n${headers}\r\n`);
    });
  }

  close(): void {
    this.#isUsable = false;
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    try {
      const answer = this.#reader.push(chunk);
      if (answer === undefined) return;
      if (answer.headers["connection"]?.toLowerCase() === "close") this.#isUsable = false;
      if (this.#waiting === undefined) throw new Error("an answer nobody asked for");
      if (this.#reader.isPartial) throw new Error("bytes after the answer");
      this.#waiting.resolve(answer);
      if (!this.#isUsable) this.#socket.end();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #fail(why: string): void {
    this.#isUsable = false;
    this.#socket.destroy();
    this.#waiting?.reject(new Error(why));
  }
}
