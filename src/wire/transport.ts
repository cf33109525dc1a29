import type { OnReadOpts, Socket } from "node:net";

/**
 * The interface between a session and its connection: bytes, in order, both ways. Sockets, TLS and
 * message ports implement it; chunk boundaries carry no meaning.
 */
export interface Transport {
  /** Names the other end in errors and to the methods that it calls. */
  readonly peer: string;
  /** Bytes given to `send` that this process still holds; at 0 their memory may be reused. */
  readonly pendingBytes: number;
  /** Starts delivering events to the receiver. Called once. */
  start(receiver: Receiver): void;
  /** Returns false when the other end is slow: do not send more until `drained`. */
  send(chunk: Buffer): boolean;
  /** Does the same for several chunks, with one system call if possible. */
  sendAll(chunks: readonly Buffer[]): boolean;
  /** Pauses and resumes reading. */
  pause(): void;
  resume(): void;
  /** Closes after all bytes were sent. */
  close(): void;
  /** Closes immediately. */
  abort(): void;
}

export interface Receiver {
  /** The chunk's memory is reused afterwards: copy the bytes that are kept. */
  bytes(chunk: Buffer): void;
  drained(): void;
  /** Called once, whichever side closed it. */
  closed(error?: Error): void;
}

/** The most bytes of one read. */
export const READ_BYTES = 65_536;

/**
 * The read buffer of a client's socket: one piece of memory for all reads, because a socket by
 * default allocates new memory for each read. Node offers this only for sockets that connect.
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
      if (this.#receive === undefined) {
        this.#early.push(Buffer.from(chunk));
        return this.early.length < READ_BYTES;
      }
      this.#receive(chunk);
      return true;
    };
    this.onread = { buffer, callback };
  }

  /** The bytes that were read before `start`: reading pauses at {@link READ_BYTES}. */
  get early(): Buffer {
    return Buffer.concat(this.#early);
  }

  /** From now on `receive` gets the bytes that are read, and those that were read before. */
  start(receive: (chunk: Buffer) => void): void {
    this.#receive = receive;
    for (const chunk of this.#early.splice(0)) receive(chunk);
  }
}

/**
 * A transport over a connected socket, TLS sockets included.
 *
 * @param readBuffer - the buffer with which the socket was connected, if any
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
      // The peer has closed its sending side: it cannot receive an answer after that.
      socket.on("end", () => socket.destroy());
      socket.on("close", () => receiver.closed(failure));
      if (readBuffer === undefined) socket.on("data", (chunk: Buffer) => receiver.bytes(chunk));
      else {
        readBuffer.start((chunk) => receiver.bytes(chunk));
        socket.resume();
      }
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
