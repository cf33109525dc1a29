import { FrameReader, type Frame } from "../wire/frames.ts";
import { Outbox } from "../wire/outbox.ts";
import type { Transport } from "../wire/transport.ts";
import { CloneBody, type Body } from "./body.ts";
import { MAX_BACKLOG_BYTES, MAX_BODY_BYTES } from "./protocol.ts";

/** A value that came by itself, not as bytes: only between threads. */
export interface ClonedFrame {
  readonly type: number;
  readonly id: number;
  readonly aux: number;
  readonly value: unknown;
  readonly json: string;
}

/** A transport that may also send values as they are. */
export interface PoolTransport extends Transport {
  /** Set by the link before `start`. */
  onClone?: (frame: ClonedFrame) => void;
  sendClone?(frame: ClonedFrame, transfer: readonly ArrayBuffer[]): void;
}

/** What an end of a link is told. */
export interface LinkReceiver {
  frame(frame: Frame): void;
  clone(frame: ClonedFrame): void;
  /** Around the frames of one read. */
  turnBegins(): void;
  turnEnds(): void;
  closed(error?: Error): void;
}

/** One end of the connection between pool and worker. */
export class Link {
  readonly outbox: Outbox;
  readonly #transport: PoolTransport;
  readonly #receiver: LinkReceiver;
  readonly #reader: FrameReader;

  constructor(transport: PoolTransport, receiver: LinkReceiver) {
    this.#transport = transport;
    this.outbox = new Outbox(transport, MAX_BACKLOG_BYTES, () => undefined);
    this.outbox.peerMaxFrameBytes = MAX_BODY_BYTES;
    this.#receiver = receiver;
    this.#reader = new FrameReader(MAX_BODY_BYTES, (frame) => receiver.frame(frame));
    transport.onClone = (frame) => {
      receiver.turnBegins();
      receiver.clone(frame);
      receiver.turnEnds();
    };
    transport.start({
      bytes: (chunk) => {
        receiver.turnBegins();
        this.#reader.push(chunk);
        receiver.turnEnds();
      },
      drained: () => this.outbox.drained(),
      closed: (error) => {
        this.outbox.close();
        receiver.closed(error);
      },
    });
  }

  /**
   * Adds a frame to those that leave with this turn.
   *
   * @throws NEWEL_E_LIMIT when the body is larger than a frame can be
   * @throws DataCloneError when a thread cannot be sent the value after all
   */
  send(type: number, id: number, aux: number, body: Body = ""): void {
    if (typeof body === "string") this.outbox.add(type, 0, 0, id, aux, body);
    else if (body instanceof CloneBody) this.#sendClone(type, id, aux, body);
    else this.outbox.add(type, body.flags, 0, id, aux, body);
  }

  #sendClone(type: number, id: number, aux: number, clone: CloneBody): void {
    const { value, transfer, json } = clone;
    // What was added before must not be overtaken.
    this.outbox.flush();
    this.#transport.sendClone?.({ type, id, aux, value, json }, transfer);
  }

  /** Keeps the frames that follow, also those of the bytes being read now. */
  pause(): void {
    this.#reader.pause();
  }

  /** Gives the frames that were kept, as a turn of their own that begins with something else. */
  resume(first: () => void): void {
    this.#receiver.turnBegins();
    first();
    this.#reader.resume();
    this.#receiver.turnEnds();
  }

  /** Closes when everything was sent. */
  close(): void {
    this.outbox.flush();
    this.#transport.close();
  }

  abort(): void {
    this.#transport.abort();
  }
}
