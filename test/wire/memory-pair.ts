import type { Receiver, Transport } from "../../src/wire/transport.ts";

/** Two transports that are each other's other end, in this process: a turn of the loop lies between. */
export function memoryPair(): [Transport, Transport] {
  const left = new MemoryTransport("left");
  const right = new MemoryTransport("right");
  left.other = right;
  right.other = left;
  return [left, right];
}

class MemoryTransport implements Transport {
  readonly peer: string;
  readonly pendingBytes = 0;
  other: MemoryTransport | undefined;
  #receiver: Receiver | undefined;
  #isClosed = false;

  constructor(peer: string) {
    this.peer = peer;
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  send(chunk: Buffer): boolean {
    const copy = Buffer.from(chunk);
    setImmediate(() => this.other?.receive(copy));
    return true;
  }

  receive(chunk: Buffer): void {
    this.#receiver?.bytes(chunk);
  }

  sendAll(chunks: readonly Buffer[]): boolean {
    return this.send(Buffer.concat(chunks));
  }

  pause(): void {
    throw new Error("nothing is held back here");
  }

  resume(): void {
    throw new Error("nothing is held back here");
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
}
