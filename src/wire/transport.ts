import type { OnReadOpts, Socket } from "node:net";

/**
 * What a session needs of the thing beneath it: bytes, in order, both ways. Sockets, TLS and message
 * ports are leaves that implement it; where the bytes are cut means nothing.
 */
export interface Transport {
  /** Names the other end in errors and to the methods it calls. */
  readonly peer: string;
  /** Bytes given to `send` that this process still holds; at 0 their memory may be used again. */
  readonly pendingBytes: number;
  /** From now on the receiver is told what happens. Called once. */
  start(receiver: Receiver): void;
  /** Returns false when the other end is slow: send nothing more until `drained`. */
  send(chunk: Buffer): boolean;
  /** The same for several chunks, with one system call where that is possible. */
  sendAll(chunks: readonly Buffer[]): boolean;
  /** Stops and continues reading. */
  pause(): void;
  resume(): void;
  /** Closes when everything was sent. */
  close(): void;
  /** Closes at once. */
  abort(): void;
}

export interface Receiver {
  /** The chunk's memory is used again afterwards: what is kept of it must be copied. */
  bytes(chunk: Buffer): void;
  drained(): void;
  /** Once, whoever closed it. */
  closed(error?: Error): void;
}

/** Bytes that one read takes at most. */
export const READ_BYTES = 65_536;

/**
 * What a client's socket reads into: one piece of memory for all reads, where a socket by itself
 * takes new memory each time. Node offers this only for sockets that connect.
 */
export class ReadBuffer {
  /** For the options of `net.connect`. */
  readonly onread: OnReadOpts;
  #receive: ((chunk: Buffer) => void) | undefined;
  #early: Buffer[] = [];

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (bytes: number): boolean => {
      const chunk = buffer.subarray(0, bytes);
      if (this.#receive === undefined) this.#early.push(Buffer.from(chunk));
      else this.#receive(chunk);
      return true;
    };
    this.onread = { buffer, callback };
  }

  /** From now on `receive` is given what is read, and what was read before. */
  start(receive: (chunk: Buffer) => void): void {
    this.#receive = receive;
    for (const chunk of this.#early.splice(0)) receive(chunk);
  }
}

/**
 * A transport over a connected socket, TLS sockets included.
 *
 * @param readBuffer - the one the socket was connected with, if it was
 */
export function socketTransport(socket: Socket, peer: string, readBuffer?: ReadBuffer): Transport {
  return {
    peer,
    get pendingBytes() {
      return socket.writableLength;
    },
    start(receiver) {
      let failure: Error | undefined;
      socket.setNoDelay(true);
      socket.on("drain", () => receiver.drained());
      socket.on("error", (error) => {
        failure = error;
      });
      // The peer has said all it will say: without it there is nobody left to answer.
      socket.on("end", () => socket.destroy());
      socket.on("close", () => receiver.closed(failure));
      if (readBuffer === undefined) socket.on("data", (chunk: Buffer) => receiver.bytes(chunk));
      else readBuffer.start((chunk) => receiver.bytes(chunk));
    },
    send: (chunk) => socket.write(chunk),
    sendAll(chunks) {
      socket.cork();
      let ready = true;
      for (const chunk of chunks) ready = socket.write(chunk);
      socket.uncork();
      return ready;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => socket.destroySoon(),
    abort: () => void socket.destroy(),
  };
}
