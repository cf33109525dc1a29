import type { Socket } from "node:net";

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
  send(chunks: readonly Buffer[]): boolean;
  /** Stops and continues reading. */
  pause(): void;
  resume(): void;
  /** Closes when everything was sent. */
  close(): void;
  /** Closes at once. */
  abort(): void;
}

export interface Receiver {
  bytes(chunk: Buffer): void;
  drained(): void;
  /** Once, whoever closed it. */
  closed(error?: Error): void;
}

/** A transport over a connected socket, TLS sockets included. */
export function socketTransport(socket: Socket, peer: string): Transport {
  return {
    peer,
    get pendingBytes() {
      return socket.writableLength;
    },
    start(receiver) {
      let failure: Error | undefined;
      socket.setNoDelay(true);
      socket.on("data", (chunk: Buffer) => receiver.bytes(chunk));
      socket.on("drain", () => receiver.drained());
      socket.on("error", (error) => {
        failure = error;
      });
      // The peer has said all it will say: without it there is nobody left to answer.
      socket.on("end", () => socket.destroy());
      socket.on("close", () => receiver.closed(failure));
    },
    send(chunks) {
      const only = chunks[0];
      if (chunks.length === 1 && only !== undefined) return socket.write(only);
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
