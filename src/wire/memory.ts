import type { Receiver, Transport } from "./transport.ts";

/**
 * Two transports that are each other's other end, in one thread; a turn of the loop lies between.
 * What crosses is encoded as on any other way, so that a call within a process and one from outside
 * can do and cannot do the same.
 */
export function memoryPair(): [Transport, Transport] {
  const left = new MemoryTransport();
  const right = new MemoryTransport();
  left.other = right;
  right.other = left;
  return [left, right];
}

class MemoryTransport implements Transport {
  readonly peer = "this process";
  readonly pendingBytes = 0;
  other: MemoryTransport | undefined;
  #receiver: Receiver | undefined;
  #isClosed = false;
  #isPaused = false;
  readonly #waiting: Buffer[] = [];

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#deliver();
  }

  send(chunk: Buffer): boolean {
    // The sender uses its memory again at once.
    const copy = Buffer.from(chunk);
    setImmediate(() => this.other?.take(copy));
    return true;
  }

  sendAll(chunks: readonly Buffer[]): boolean {
    return this.send(Buffer.concat(chunks));
  }

  take(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    setImmediate(() => this.#deliver());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    setImmediate(() => {
      this.#receiver?.closed();
      this.other?.close();
    });
  }

  abort(): void {
    this.close();
  }

  #deliver(): void {
    while (!this.#isPaused && this.#receiver !== undefined) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) return;
      this.#receiver.bytes(chunk);
    }
  }
}
