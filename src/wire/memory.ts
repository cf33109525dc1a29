import type { Receiver, Transport } from "./transport.ts";

/**
 * Two connected transports within one thread; data arrives in a later turn of the event loop.
 * Values are encoded as on any other transport, so that calls within a process and calls from
 * outside have the same abilities.
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
    // The sender reuses its memory immediately.
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
