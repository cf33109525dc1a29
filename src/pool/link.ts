import { hasCode } from "../base/errors.ts";
import { FrameReader, nextFrameNumber, type Frame } from "../wire/frames.ts";
import { Outbox } from "../wire/outbox.ts";
import type { Transport } from "../wire/transport.ts";
import { carriedBytes, CloneBody, type Body, type Carried } from "./body.ts";
import { MAX_BACKLOG_BYTES, MAX_BODY_BYTES } from "./protocol.ts";
import type { Transferable } from "./transferable.ts";

/** A value that arrived separately, not as bytes: only between threads. */
export interface ClonedFrame {
  readonly type: number;
  readonly id: number;
  readonly aux: number;
  readonly value: Carried;
  readonly json: string;
}

/** A transport that may also send values as they are. */
export interface PoolTransport extends Transport {
  /** Set by the link before `start`. */
  onClone?: (frame: ClonedFrame) => void;
  /** Set by the link before `start`: all frames delivered within it belong to one turn. */
  turn?: (deliver: () => void) => void;
  sendClone?(frame: ClonedFrame, transfer: readonly Transferable[]): void;
}

/** The callbacks of one end of a link. */
export interface LinkReceiver {
  frame(frame: Frame): void;
  clone(frame: ClonedFrame): void;
  /** Called around the frames of one read. */
  turnBegins(): void;
  turnEnds(): void;
  closed(error?: Error): void;
}

/**
 * One end of the connection between pool and worker.
 *
 * The frames of each direction have consecutive numbers. Bytes that other code of the worker writes
 * to the connection are therefore found, even those that look like a header: they have another
 * number, or a frame is missing after them.
 */
export class Link {
  readonly outbox: Outbox;
  readonly #transport: PoolTransport;
  readonly #receiver: LinkReceiver;
  readonly #reader: FrameReader;
  #failure: Error | undefined;
  #isInTurn = false;
  /** The number of the next frame that is sent. */
  nextNumber = 0;

  /** @param firstNumber - the number of the first frame of the other end */
  constructor(transport: PoolTransport, receiver: LinkReceiver, firstNumber = 0) {
    this.#transport = transport;
    this.outbox = new Outbox(transport, MAX_BACKLOG_BYTES, () => undefined);
    this.outbox.peerMaxFrameBytes = MAX_BODY_BYTES;
    this.#receiver = receiver;
    this.#reader = new FrameReader(MAX_BODY_BYTES, (frame) => receiver.frame(frame), firstNumber);
    transport.onClone = (frame) => this.#turn(() => receiver.clone(frame));
    transport.turn = (deliver) => this.#turn(deliver);
    transport.start({
      bytes: (chunk) => this.#bytes(chunk),
      drained: () => this.outbox.drained(),
      closed: (error) => {
        this.outbox.close();
        receiver.closed(error ?? this.#failure);
      },
    });
  }

  /**
   * Adds a frame to those that are sent at the end of this turn.
   *
   * @returns the size of the body in bytes
   * @throws NEWEL_E_LIMIT when the body is larger than a frame can be
   * @throws DataCloneError when the value cannot be cloned for a thread
   */
  send(type: number, id: number, aux: number, body: Body = ""): number {
    if (body instanceof CloneBody) return this.#sendClone(type, id, aux, body);
    const flags = typeof body === "string" ? 0 : body.flags;
    const bytes = this.outbox.add(type, flags, this.nextNumber, id, aux, body);
    this.nextNumber = nextFrameNumber(this.nextNumber);
    return bytes;
  }

  #sendClone(type: number, id: number, aux: number, clone: CloneBody): number {
    const { value, transfer, json } = clone;
    const bytes = carriedBytes(value);
    // Frames that were added earlier must not be overtaken.
    this.outbox.flush();
    this.#transport.sendClone?.({ type, id, aux, value, json }, transfer);
    return bytes;
  }

  #bytes(chunk: Buffer): void {
    this.#turn(() => {
      try {
        this.#reader.push(chunk);
      } catch (error) {
        // Other code of the worker wrote to this connection: it cannot be used any more.
        if (!hasCode(error, "NEWEL_E_FRAME")) throw error;
        this.#failure = error instanceof Error ? error : undefined;
        this.#reader.stop();
        this.#transport.abort();
      }
    });
  }

  #turn(deliver: () => void): void {
    if (this.#isInTurn) {
      deliver();
      return;
    }
    this.#isInTurn = true;
    this.#receiver.turnBegins();
    try {
      deliver();
    } finally {
      this.#isInTurn = false;
      this.#receiver.turnEnds();
    }
  }

  /** Closes after all frames were sent. */
  close(): void {
    this.outbox.flush();
    this.#transport.close();
  }

  abort(): void {
    this.#transport.abort();
  }
}
